//! Assemblies for tests, as classic netCDF files (64-bit offsets).

/// What a variable holds.
pub(crate) enum Values<'a> {
    Words(&'a [String]),
    Numbers(&'a [f64]),
}

const CHARACTERS: u32 = 2;
const DOUBLES: u32 = 6;

/// A file with `dimensions`, by name and length, and `variables`: their names, their dimensions' places and
/// what they hold. Words have one dimension more, of characters.
pub(crate) fn classic(
    dimensions: &[(&str, usize)],
    variables: &[(&str, &[usize], Values<'_>)],
) -> Vec<u8> {
    let mut dimensions: Vec<(String, usize)> = dimensions
        .iter()
        .map(|(name, length)| ((*name).to_owned(), *length))
        .collect();
    let mut described = Vec::new();
    for (name, axes, values) in variables {
        let mut axes = axes.to_vec();
        let (kind, bytes) = match values {
            Values::Numbers(numbers) => {
                let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
                (DOUBLES, bytes.collect::<Vec<u8>>())
            }
            Values::Words(words) => {
                let length = words.iter().map(String::len).max().unwrap_or(1);
                axes.push(dimensions.len());
                dimensions.push((format!("{name}_length"), length));
                let padded = words.iter().map(|word| format!("{word:\0<length$}"));
                (CHARACTERS, padded.collect::<String>().into_bytes())
            }
        };
        described.push((*name, axes, kind, bytes));
    }
    let header = |begin: u64| {
        let mut header = b"CDF\x02\0\0\0\0".to_vec();
        let word = |header: &mut Vec<u8>, number: usize| {
            header.extend((number as u32).to_be_bytes());
        };
        let name = |header: &mut Vec<u8>, name: &str| {
            word(header, name.len());
            header.extend(name.bytes());
            header.resize(header.len().next_multiple_of(4), 0);
        };
        word(&mut header, 10);
        word(&mut header, dimensions.len());
        for (called, length) in &dimensions {
            name(&mut header, called);
            word(&mut header, *length);
        }
        header.extend([0; 8]);
        word(&mut header, 11);
        word(&mut header, described.len());
        let mut begin = begin;
        for (called, axes, kind, bytes) in &described {
            name(&mut header, called);
            word(&mut header, axes.len());
            axes.iter().for_each(|axis| word(&mut header, *axis));
            header.extend([0; 8]);
            word(&mut header, *kind as usize);
            let size = bytes.len().next_multiple_of(4);
            word(&mut header, size);
            header.extend(begin.to_be_bytes());
            begin += size as u64;
        }
        header
    };
    let mut file = header(header(0).len() as u64);
    for (.., bytes) in &described {
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(4), 0);
    }
    file
}
