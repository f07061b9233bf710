//! Tensors as a pickle or a safetensors header describes them: which numbers of a storage, in what order.

use std::collections::HashMap;

use super::pickle::{Object, Pickle, Value, int, text};

/// Most dimensions of a tensor that is read; a convolution's kernel has four.
const MAX_DIMENSIONS: usize = 8;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F16,
    Bf16,
    F32,
    F64,
    /// Whole numbers and booleans: masks may have them, weights not.
    I8,
    I16,
    I32,
    I64,
    U8,
    Bool,
}

impl Dtype {
    /// The type that PyTorch or safetensors calls so.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HalfStorage" | "float16" | "half" | "F16" => Self::F16,
            "BFloat16Storage" | "bfloat16" | "BF16" => Self::Bf16,
            "FloatStorage" | "float32" | "float" | "F32" => Self::F32,
            "DoubleStorage" | "float64" | "double" | "F64" => Self::F64,
            "CharStorage" | "int8" | "I8" => Self::I8,
            "ShortStorage" | "int16" | "short" | "I16" => Self::I16,
            "IntStorage" | "int32" | "int" | "I32" => Self::I32,
            "LongStorage" | "int64" | "long" | "I64" => Self::I64,
            "ByteStorage" | "uint8" | "U8" => Self::U8,
            "BoolStorage" | "bool" | "BOOL" => Self::Bool,
            _ => return None,
        })
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// PyTorch's name of a type that weights do not have; none of floats.
    pub(super) fn not_float(self) -> Option<&'static str> {
        match self {
            Self::F16 | Self::Bf16 | Self::F32 | Self::F64 => None,
            Self::I8 => Some("int8"),
            Self::I16 => Some("int16"),
            Self::I32 => Some("int32"),
            Self::I64 => Some("int64"),
            Self::U8 => Some("uint8"),
            Self::Bool => Some("bool"),
        }
    }
}

/// A tensor whose numbers are in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Numbers between neighbours along each axis.
    pub(super) strides: Vec<usize>,
    /// The first number's place in its storage.
    pub(super) offset: usize,
    /// The storage's name in the file.
    pub(super) storage: String,
}

/// What stands under a tensor's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Dense(Tensor),
    /// A tensor that is not read, in words: "a sparse tensor".
    Other(String),
}

impl Entry {
    /// Shape or kind, for messages.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Dense(tensor) => match tensor.dtype.not_float() {
                Some(numbers) => format!("a tensor of {numbers} numbers"),
                None => format!("{:?}", tensor.shape),
            },
            Self::Other(kind) => kind.clone(),
        }
    }

    /// The tensor that `value` describes, or `None` where `value` is something else.
    pub(super) fn of(pickle: &Pickle, value: &Value) -> Option<Self> {
        let call = pickle.call(value)?;
        let (module, name) = pickle.global(&call.callable)?;
        let arguments = pickle.sequence(&call.arguments)?;
        if !module.starts_with("torch") {
            let numpy = module.starts_with("numpy") && name == "_reconstruct";
            return numpy.then(|| Self::Other("a NumPy array".to_owned()));
        }
        Some(match name {
            "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" => {
                dense(pickle, name, arguments).unwrap_or_else(Self::Other)
            }
            "_rebuild_parameter" | "_rebuild_parameter_with_state" => {
                return Self::of(pickle, arguments.first()?);
            }
            "_rebuild_from_type_v2" => of_type(pickle, arguments)?,
            "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" => {
                Self::Other("a sparse tensor".to_owned())
            }
            "_rebuild_qtensor" => Self::Other("a quantised tensor".to_owned()),
            "_rebuild_nested_tensor" => Self::Other("a nested tensor".to_owned()),
            "_rebuild_meta_tensor_no_storage" => {
                Self::Other("a tensor of the device `meta`, without numbers".to_owned())
            }
            "_rebuild_wrapper_subclass" => {
                let class = arguments.first().and_then(|class| pickle.global(class));
                subclass(class.map_or("an unknown class", |(_, name)| name))
            }
            name if name.starts_with("_rebuild_") => {
                Self::Other(format!("a tensor made by `{name}`"))
            }
            _ => return None,
        })
    }
}

fn subclass(class: &str) -> Entry {
    Entry::Other(format!("a tensor of the class `{class}`"))
}

/// `_rebuild_from_type_v2(function, class, arguments, state)`.
fn of_type(pickle: &Pickle, arguments: &[Value]) -> Option<Entry> {
    let [function, class, of_function, ..] = arguments else {
        return None;
    };
    let (module, class) = pickle.global(class)?;
    if !(module.starts_with("torch") && ["Tensor", "Parameter", "Buffer"].contains(&class)) {
        return Some(subclass(class));
    }
    let (_, name) = pickle.global(function)?;
    let of_function = pickle.sequence(of_function)?;
    Some(match name {
        "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" => {
            dense(pickle, name, of_function).unwrap_or_else(Entry::Other)
        }
        "_rebuild_parameter" => return Entry::of(pickle, of_function.first()?),
        name => Entry::Other(format!("a tensor made by `{name}`")),
    })
}

/// The arguments of `name`: storage, offset, size, stride, and more.
fn dense(pickle: &Pickle, name: &str, arguments: &[Value]) -> Result<Entry, String> {
    let unclear = || "a tensor whose description is not understood".to_owned();
    let [storage, offset, shape, strides, more @ ..] = arguments else {
        return Err(unclear());
    };
    let Some(Object::Outside(id)) = pickle.object(storage) else {
        return Err(unclear());
    };
    let [kind, class, key, _location, _numel, view @ ..] = pickle.sequence(id).unwrap_or_default()
    else {
        return Err(unclear());
    };
    let metadata = if name == "_rebuild_tensor_v3" {
        more.get(3)
    } else {
        more.get(2)
    };
    let flagged = |flag| metadata.and_then(|of| pickle.get(of, flag)) == Some(&Value::Bool(true));
    if text(kind) != Some("storage") || flagged("neg") || flagged("conj") {
        return Err(unclear());
    }
    let class = if name == "_rebuild_tensor_v3" {
        more.get(2)
    } else {
        Some(class)
    };
    let (_, class) = class
        .and_then(|class| pickle.global(class))
        .ok_or_else(unclear)?;
    let dtype = Dtype::named(class).ok_or_else(|| {
        let class = class.strip_suffix("Storage").unwrap_or(class);
        let numbers = match class {
            "ComplexFloat" => "complex64",
            "ComplexDouble" => "complex128",
            other => other,
        };
        format!("a tensor of {numbers} numbers")
    })?;
    let whole = |value: &Value| int(value).and_then(|int| usize::try_from(int).ok());
    // PyTorch of 2017 stored views of storages.
    let view = match view.first().and_then(|view| pickle.sequence(view)) {
        Some([_, offset, ..]) => whole(offset).ok_or_else(unclear)?,
        Some(_) => return Err(unclear()),
        None => 0,
    };
    let shape = pickle.sizes(shape).ok_or_else(unclear)?;
    let strides = pickle.sizes(strides).ok_or_else(unclear)?;
    let offset = whole(offset)
        .and_then(|offset| offset.checked_add(view))
        .ok_or_else(unclear)?;
    if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
        return Err(unclear());
    }
    let storage = text(key).ok_or_else(unclear)?.to_owned();
    Ok(Entry::Dense(Tensor {
        dtype,
        shape,
        strides,
        offset,
        storage,
    }))
}

/// How many bytes a number of each storage of `pickle` takes, by the storage's name.
pub(super) fn number_sizes(pickle: &Pickle) -> HashMap<String, u64> {
    let mut sizes = HashMap::new();
    for object in pickle.objects() {
        if let Object::Outside(id) = object
            && let Some([_, class, key, ..]) = pickle.sequence(id)
            && let (Some((_, class)), Some(key)) = (pickle.global(class), text(key))
            && let Some(size) = number_size(class)
        {
            // The first mention decides, as in PyTorch.
            sizes.entry(key.to_owned()).or_insert(size);
        }
    }
    sizes
}

/// Bytes of a number in a storage of this class.
fn number_size(class: &str) -> Option<u64> {
    Some(match class.strip_suffix("Storage")? {
        "Byte" | "Char" | "Bool" | "Untyped" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" => 1,
        "Short" | "Half" | "BFloat16" => 2,
        "Int" | "Float" | "QInt32" => 4,
        "Long" | "Double" | "ComplexFloat" => 8,
        "ComplexDouble" => 16,
        _ => return None,
    })
}

impl Tensor {
    /// A tensor of a storage of its own, row-major.
    pub(super) fn contiguous(dtype: Dtype, shape: Vec<usize>, storage: String) -> Self {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = usize::saturating_mul(strides[axis], shape[axis]);
        }
        Self {
            dtype,
            shape,
            strides,
            offset: 0,
            storage,
        }
    }

    /// Its numbers, row-major, from the bytes of its storage. The shape must be one that was asked for: it
    /// says how much is allocated.
    ///
    /// # Errors
    /// In words, when the storage is too short.
    pub(super) fn values(&self, storage: &[u8], little_endian: bool) -> Result<Vec<f32>, String> {
        let count: usize = self.shape.iter().product();
        if count == 0 {
            return Ok(Vec::new());
        }
        let axes = self.shape.iter().zip(&self.strides);
        let mut reach = axes.map(|(size, stride)| (size - 1).checked_mul(*stride));
        let last = reach.try_fold(self.offset, |sum, of_axis| sum.checked_add(of_axis?));
        let stored = storage.len() / self.dtype.bytes();
        if last.is_none_or(|last| last >= stored) {
            return Err(format!(
                "its storage has {stored} numbers, fewer than it takes"
            ));
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        loop {
            values.push(self.number(storage, place, little_endian));
            // The next index, the last axis running fastest.
            let mut axis = self.shape.len();
            loop {
                if axis == 0 {
                    return Ok(values);
                }
                axis -= 1;
                index[axis] += 1;
                place = place.wrapping_add(self.strides[axis]);
                if index[axis] < self.shape[axis] {
                    break;
                }
                place = place.wrapping_sub(self.strides[axis].wrapping_mul(self.shape[axis]));
                index[axis] = 0;
            }
        }
    }

    fn number(&self, storage: &[u8], place: usize, little_endian: bool) -> f32 {
        let size = self.dtype.bytes();
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&storage[place * size..][..size]);
        if !little_endian {
            bytes[..size].reverse();
        }
        let [a, b, c, d, ..] = bytes;
        match self.dtype {
            Dtype::I8 => i8::from_le_bytes([a]).into(),
            Dtype::I16 => i16::from_le_bytes([a, b]).into(),
            Dtype::I32 => i32::from_le_bytes([a, b, c, d]) as f32,
            Dtype::I64 => i64::from_le_bytes(bytes) as f32,
            Dtype::U8 => a.into(),
            Dtype::Bool => f32::from(u8::from(a != 0)),
            Dtype::F16 => half::f16::from_le_bytes([a, b]).to_f32(),
            Dtype::Bf16 => half::bf16::from_le_bytes([a, b]).to_f32(),
            Dtype::F32 => f32::from_le_bytes([a, b, c, d]),
            Dtype::F64 => f64::from_le_bytes(bytes) as f32,
        }
    }
}
