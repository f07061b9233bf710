//! Follows a pickle, operation by operation, within limits. It calls nothing.

use std::collections::HashMap;
use std::rc::Rc;

use super::pickle::{Call, Object, Pickle, Value, text};

/// Longest program that is read, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// Most operations that are followed; a state dict of a thousand tensors takes some fifty thousand.
const MAX_OPERATIONS: usize = 16 << 20;
/// Most objects that a program may make.
const MAX_OBJECTS: usize = 2 << 20;

/// Reads the pickle that `bytes` begin with, and says how long it is.
///
/// # Errors
/// In words, when it is no pickle, ends early, or goes beyond a limit.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, usize), String> {
    Machine::new(bytes).run()
}

/// A stack, and what is made on it.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at which a mark was set.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Vec<Object>,
}

impl<'a> Machine<'a> {
    /// Before the first operation of the pickle that `bytes` begin with.
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Vec::new(),
        }
    }

    fn run(mut self) -> Result<(Pickle, usize), String> {
        for _ in 0..MAX_OPERATIONS {
            if let Some(root) = self.step()? {
                return Ok((Pickle::new(self.objects, root), self.at));
            }
        }
        Err(format!(
            "its pickle takes more than {MAX_OPERATIONS} operations"
        ))
    }

    /// Follows one operation; the value that the pickle describes where it was the last.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let at = self.at;
        let [operation] = self.take()?;
        match operation {
            b'.' => return self.pop().map(Some),
            // PROTO and FRAME say nothing of the value.
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.marked()?),
            b'2' => self.stack.push(self.top()?.clone()),
            b'g' | b'h' | b'j' => self.recall(operation)?,
            b'p' | b'q' | b'r' | 0x94 => self.remember(operation)?,
            _ => {
                if !self.scalar(operation)?
                    && !self.collect(operation)?
                    && !self.build(operation)?
                {
                    return Err(format!(
                        "its pickle has the operation {operation:#04x} at byte {at}, which is not known"
                    ));
                }
            }
        }
        Ok(None)
    }

    fn recall(&mut self, operation: u8) -> Result<(), String> {
        let number = match operation {
            b'h' => u32::from(self.take::<1>()?[0]),
            b'j' => u32::from_le_bytes(self.take()?),
            _ => self.line_number()?,
        };
        let value = self.memo.get(&number);
        let value =
            value.ok_or_else(|| format!("its pickle recalls {number}, which it never saved"))?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn remember(&mut self, operation: u8) -> Result<(), String> {
        let number = match operation {
            b'q' => u32::from(self.take::<1>()?[0]),
            b'r' => u32::from_le_bytes(self.take()?),
            b'p' => self.line_number()?,
            _ => self.memo.len() as u32,
        };
        if self.memo.len() == MAX_OBJECTS {
            return Err(format!("its pickle saves more than {MAX_OBJECTS} values"));
        }
        let value = self.top()?.clone();
        self.memo.insert(number, value);
        Ok(())
    }

    /// Numbers and texts. Whether the operation is one of them.
    fn scalar(&mut self, operation: u8) -> Result<bool, String> {
        let value = match operation {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Value::Int(self.take::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.take()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.take()?)),
            0x8a => {
                let [length] = self.take()?;
                long(self.slice(length.into())?)
            }
            0x8b => {
                let length = u32::from_le_bytes(self.take()?);
                long(self.slice(length as usize)?)
            }
            b'I' => match self.line()? {
                b"00" => Value::Bool(false),
                b"01" => Value::Bool(true),
                digits => written(digits),
            },
            b'L' => {
                let digits = self.line()?;
                written(digits.strip_suffix(b"L").unwrap_or(digits))
            }
            // Texts of Python 2 are bytes; those that name tensors are ASCII.
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.take()?);
                self.words(length.into())?
            }
            b'U' | 0x8c => {
                let [length] = self.take()?;
                self.words(length.into())?
            }
            0x8d => {
                let length = u64::from_le_bytes(self.take()?);
                self.words(length)?
            }
            b'B' => {
                let length = u32::from_le_bytes(self.take()?);
                self.skip(length.into())?
            }
            b'C' => {
                let [length] = self.take()?;
                self.skip(length.into())?
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.take()?);
                self.skip(length)?
            }
            _ => return Ok(false),
        };
        self.stack.push(value);
        Ok(true)
    }

    /// Tuples, lists, sets and dicts. Whether the operation is one of theirs.
    fn collect(&mut self, operation: u8) -> Result<bool, String> {
        match operation {
            b')' | b']' | 0x8f => self.make(Object::Sequence(Vec::new()))?,
            b'}' => self.make(Object::Dict(Vec::new()))?,
            b't' | b'l' | 0x91 => {
                let values = self.marked()?;
                self.make(Object::Sequence(values))?;
            }
            0x85..=0x87 => {
                let values = (0x84..operation)
                    .map(|_| self.pop())
                    .collect::<Result<Vec<_>, _>>()?;
                self.make(Object::Sequence(values.into_iter().rev().collect()))?;
            }
            b'd' => {
                let values = self.marked()?;
                self.make(Object::Dict(pairs(values)?))?;
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' | 0x90 => {
                let values = self.marked()?;
                self.append(values)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let values = self.marked()?;
                self.set(pairs(values)?)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Classes, calls and what is outside. Whether the operation is one of them.
    fn build(&mut self, operation: u8) -> Result<bool, String> {
        match operation {
            b'c' => {
                let (module, name) = (self.line_text()?, self.line_text()?);
                self.make(Object::Global(module, name))?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => {
                    self.make(Object::Global(module, name))?
                }
                _ => return Err("its pickle names a class by something other than text".to_owned()),
            },
            b'R' | 0x81 | 0x92 => {
                if operation == 0x92 {
                    // Arguments by keyword.
                    self.pop()?;
                }
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.make(Object::Call(Call {
                    callable,
                    arguments,
                    state: Value::None,
                    items: Vec::new(),
                    elements: Vec::new(),
                }))?;
            }
            b'b' => {
                let state = self.pop()?;
                if let Some(Object::Call(call)) = self.top_object()? {
                    call.state = state;
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.outside(id)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// PyTorch keeps storages outside its pickles, and until 1.6 classes with their source.
    fn outside(&mut self, id: Value) -> Result<(), String> {
        if let Value::Object(number) = id
            && let Some(Object::Sequence(parts)) = self.objects.get(number)
            && let [kind, class, ..] = parts.as_slice()
            && text(kind) == Some("module")
        {
            self.stack.push(class.clone());
            return Ok(());
        }
        self.make(Object::Outside(id))
    }

    fn make(&mut self, object: Object) -> Result<(), String> {
        if self.objects.len() == MAX_OBJECTS {
            return Err(format!("its pickle makes more than {MAX_OBJECTS} objects"));
        }
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
        Ok(())
    }

    fn append(&mut self, values: Vec<Value>) -> Result<(), String> {
        match self.top_object()? {
            Some(Object::Sequence(list)) => list.extend(values),
            Some(Object::Call(call)) => call.elements.extend(values),
            Some(Object::Dict(_) | Object::Global(..) | Object::Outside(_)) | None => {
                return Err("its pickle appends to what is not a list".to_owned());
            }
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<(Value, Value)>) -> Result<(), String> {
        match self.top_object()? {
            Some(Object::Dict(dict)) => dict.extend(items),
            Some(Object::Call(call)) => call.items.extend(items),
            Some(Object::Sequence(_) | Object::Global(..) | Object::Outside(_)) | None => {
                return Err("its pickle sets a key of what is not a dict".to_owned());
            }
        }
        Ok(())
    }

    fn top(&self) -> Result<&Value, String> {
        self.stack.last().ok_or_else(empty)
    }

    fn top_object(&mut self) -> Result<Option<&mut Object>, String> {
        let Value::Object(number) = self.top()? else {
            return Ok(None);
        };
        let number = *number;
        Ok(self.objects.get_mut(number))
    }

    fn pop(&mut self) -> Result<Value, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() == floor {
            return Err(empty());
        }
        self.stack.pop().ok_or_else(empty)
    }

    /// Everything above the last mark.
    fn marked(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| "its pickle lacks a mark".to_owned())?;
        Ok(self.stack.split_off(mark))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.slice(N)?;
        Ok(bytes.try_into().expect("as many as asked for"))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length);
        let bytes = end
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(short)?;
        self.at += length;
        Ok(bytes)
    }

    fn words(&mut self, length: u64) -> Result<Value, String> {
        let bytes = self.slice(usize::try_from(length).map_err(|_| short())?)?;
        Ok(Value::Text(String::from_utf8_lossy(bytes).into()))
    }

    fn skip(&mut self, length: u64) -> Result<Value, String> {
        self.slice(usize::try_from(length).map_err(|_| short())?)?;
        Ok(Value::Opaque)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(short)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn line_text(&mut self) -> Result<Rc<str>, String> {
        Ok(String::from_utf8_lossy(self.line()?).into())
    }

    fn line_number(&mut self) -> Result<u32, String> {
        let line = String::from_utf8_lossy(self.line()?);
        line.parse()
            .map_err(|_| format!("its pickle saves under `{line}`"))
    }
}

fn empty() -> String {
    "its pickle takes a value that it never made".to_owned()
}

fn short() -> String {
    "it ends within its pickle".to_owned()
}

/// A whole number in two's complement, the lowest byte first.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Opaque;
    }
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(whole))
}

/// A whole number in digits.
fn written(digits: &[u8]) -> Value {
    let digits = std::str::from_utf8(digits).ok();
    let int = digits.and_then(|digits| digits.parse().ok());
    int.map_or(Value::Opaque, Value::Int)
}

fn pairs(values: Vec<Value>) -> Result<Vec<(Value, Value)>, String> {
    if values.len() % 2 == 1 {
        return Err("its pickle has a key without a value".to_owned());
    }
    let mut values = values.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}
