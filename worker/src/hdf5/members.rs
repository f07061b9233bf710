//! The members of a group. The `hdf5-reader` crate lists none of them where one is a virtual dataset, since it parses
//! the headers of all; then their names are read here, from the group's own links.

#[cfg(test)]
mod tests;

use hdf5_reader::Dataset;
use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::btree_v2::{BTreeV2Header, BTreeV2Record, collect_btree_v2_records_storage};
use hdf5_reader::error::{Error, Result};
use hdf5_reader::fractal_heap::FractalHeap;
use hdf5_reader::group::Group;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::link::{self, LinkMessage};
use hdf5_reader::messages::link_info::LinkInfoMessage;
use hdf5_reader::messages::symbol_table_msg::SymbolTableMessage;
use hdf5_reader::symbol_table::SymbolTableNode;

use super::{innermost, layout};

/// Most members of a group that are looked up one by one.
const LINKS_MAX: usize = 4096;

/// The names of a group's groups and of its datasets, those that are not read among them.
///
/// # Errors
/// When the group, or a member of it, is damaged.
pub(crate) fn names(group: &Group) -> Result<(Vec<String>, Vec<String>)> {
    match group.member_names() {
        Err(error) if layout::is_unread(&error) => one_by_one(group),
        listed => listed,
    }
}

/// The groups in a group.
///
/// # Errors
/// As of [`names`].
pub(crate) fn groups(group: &Group) -> Result<Vec<Group>> {
    match group.groups() {
        Err(error) if layout::is_unread(&error) => {
            let (groups, _) = one_by_one(group)?;
            groups.iter().map(|name| group.group(name)).collect()
        }
        listed => listed,
    }
}

/// All datasets of a group.
///
/// # Errors
/// When one is damaged, or its layout is not read.
pub(crate) fn datasets(group: &Group) -> Result<Vec<Dataset>> {
    match group.datasets() {
        Err(error) if layout::is_unread(&error) => {
            let (_, datasets) = one_by_one(group)?;
            let mut datasets = datasets.iter();
            datasets.try_for_each(|name| layout::dataset(group, name).map(drop))?;
            Err(error)
        }
        listed => {
            let listed = listed?.into_iter();
            listed
                .map(|dataset| layout::checked(group, dataset))
                .collect()
        }
    }
}

fn one_by_one(group: &Group) -> Result<(Vec<String>, Vec<String>)> {
    let (mut groups, mut datasets) = (Vec::new(), Vec::new());
    let names = links(group)?;
    // Each name is looked up among all.
    if names.len() > LINKS_MAX {
        let links = names.len();
        let problem =
            format!("a group of {links} members with a virtual dataset; the limit is {LINKS_MAX}");
        return Err(Error::ResourceLimit(problem));
    }
    for name in names {
        if group.group(&name).is_ok() {
            groups.push(name);
            continue;
        }
        match group.dataset(&name) {
            Ok(_) => datasets.push(name),
            Err(error) if layout::is_unread(&error) => datasets.push(name),
            Err(error) => match innermost(&error) {
                // Neither a group nor a dataset, or a link to nothing.
                Error::DatasetNotFound(_) => {}
                _ => return Err(error),
            },
        }
    }
    Ok((groups, datasets))
}

/// The names of a group's links: in the order in which they were made, if the group has it.
fn links(group: &Group) -> Result<Vec<String>> {
    let mut links = Vec::new();
    for message in layout::header(group, group.address())?.messages {
        match message {
            HdfMessage::SymbolTable(table) => return old_names(group, &table),
            HdfMessage::Link(link) => links.push(link),
            HdfMessage::LinkInfo(info) => links.extend(dense_links(group, &info)?),
            _ => {}
        }
    }
    if links.iter().all(|link| link.creation_order.is_some()) {
        links.sort_by_key(|link| link.creation_order);
    }
    Ok(links.into_iter().map(|link| link.name).collect())
}

/// The names in a group of the first format: leaves of a tree, with the names in a heap.
fn old_names(group: &Group, table: &SymbolTableMessage) -> Result<Vec<String>> {
    let (storage, offset, length) = (group.storage(), group.offset_size(), group.length_size());
    let heap = LocalHeap::parse_at_storage(storage, table.heap_address, offset, length)?;
    let leaves = collect_btree_v1_leaves_storage(
        storage,
        table.btree_address,
        offset,
        length,
        None,
        &[],
        None,
    )?;
    let mut names = Vec::new();
    for (_, address) in leaves {
        // A mark, a version, and how many entries follow.
        let head = storage.read_range(address, 8)?;
        let &[.., low, high] = head.as_ref() else {
            return Err(Error::InvalidSymbolTableNodeSignature);
        };
        let entries = usize::from(u16::from_le_bytes([low, high]));
        let node = storage.read_range(address, 8 + entries * (2 * usize::from(offset) + 24))?;
        let node = SymbolTableNode::parse(&mut Cursor::new(node.as_ref()), offset, length)?;
        for entry in node.entries {
            names.push(heap.get_string_storage(entry.link_name_offset, storage)?);
        }
    }
    Ok(names)
}

/// The links of a group that has many, which are in a heap; none if the group has few.
fn dense_links(group: &Group, info: &LinkInfoMessage) -> Result<Vec<LinkMessage>> {
    let (storage, offset, length) = (group.storage(), group.offset_size(), group.length_size());
    if Cursor::is_undefined_offset(info.fractal_heap_address, offset) {
        return Ok(Vec::new());
    }
    let heap = FractalHeap::parse_at_storage(storage, info.fractal_heap_address, offset, length)?;
    let tree = info.btree_name_index_address;
    let tree = BTreeV2Header::parse_at_storage(storage, tree, offset, length)?;
    let records =
        collect_btree_v2_records_storage(storage, &tree, offset, length, None, &[], None)?;
    let mut links = Vec::new();
    for record in records {
        if let BTreeV2Record::LinkNameHash { heap_id, .. } = record {
            let stored = heap.get_object_storage(&heap_id, storage, offset, length)?;
            let mut cursor = Cursor::new(&stored);
            links.push(link::parse(&mut cursor, offset, length, stored.len())?);
        }
    }
    Ok(links)
}
