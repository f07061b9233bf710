//! The metadata of an ONNX file in which PyTorch's exporter writes the modules that each node was traced in. tract
//! does not decode it.

use prost::Message;

/// The metadata that names a node's modules: `['', 'layer1', 'layer1.0', 'relu_3']`, from the network to
/// the node itself.
const SCOPES: &str = "pkg.torch.onnx.name_scopes";
/// Most modules that a node may be in.
const DEPTH_MAX: usize = 64;

/// The part of an ONNX file that tract does not decode.
#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(message, repeated, tag = "9")]
    metadata: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// For each node of an ONNX file, the modules that it is in, outermost first.
pub(super) fn scopes(bytes: &[u8]) -> Result<Vec<Vec<String>>, prost::DecodeError> {
    let nodes = File::decode(bytes)?.graph.unwrap_or_default().nodes;
    let of = |node: Node| {
        let mut entries = node.metadata.into_iter();
        let scopes = entries.find(|entry| entry.key == SCOPES);
        scopes.map_or_else(Vec::new, |entry| paths(&entry.value))
    };
    Ok(nodes.into_iter().map(of).collect())
}

/// The modules in a list as Python writes it; its last entry is the node's own name.
fn paths(list: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    let mut quote = None;
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        match quote {
            None if matches!(character, '\'' | '"') => {
                quote = Some(character);
                entries.push(String::new());
            }
            None => {}
            Some(end) if character == end => quote = None,
            Some(_) => {
                let literal = match character {
                    '\\' => characters.next(),
                    other => Some(other),
                };
                let entry = entries.last_mut();
                entry.into_iter().for_each(|entry| entry.extend(literal));
            }
        }
    }
    entries.pop();
    entries.retain(|path| !path.is_empty());
    entries.dedup();
    entries.truncate(DEPTH_MAX);
    entries
}
