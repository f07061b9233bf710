//! Pickles: the programs in which PyTorch's files describe their tensors.
//!
//! A pickle may call any Python function. This reader calls none: what a pickle wants called becomes an
//! object that says what was to be called with what, and the caller takes from it what it knows. Objects
//! stand in one list, so that a pickle that refers to itself does no harm.

use std::rc::Rc;

/// A value on the pickle's stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// Bytes, or a whole number of more than 64 bits: nothing here needs its value.
    Opaque,
    /// The object of this number.
    Object(usize),
}

/// A value that others may refer to.
#[derive(Clone, Debug)]
pub(super) enum Object {
    /// A tuple, list or set.
    Sequence(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A class or function, by its module and name.
    Global(Rc<str>, Rc<str>),
    /// What a call would have returned, with what was put into it afterwards.
    Call(Call),
    /// What the file keeps outside its pickle: a storage.
    Outside(Value),
}

/// A call that was not made.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) callable: Value,
    pub(super) arguments: Value,
    /// The object's `__dict__`, or what its `__setstate__` would take.
    pub(super) state: Value,
    /// What was set by key.
    pub(super) items: Vec<(Value, Value)>,
    /// What was appended.
    pub(super) elements: Vec<Value>,
}

/// What a pickle describes.
#[derive(Debug)]
pub(super) struct Pickle {
    objects: Vec<Object>,
    pub(super) root: Value,
}

impl Pickle {
    /// What was made by following a pickle: its objects, and which value it describes.
    pub(super) fn new(objects: Vec<Object>, root: Value) -> Self {
        Self { objects, root }
    }

    /// Every object that the pickle made.
    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    pub(super) fn object(&self, value: &Value) -> Option<&Object> {
        let Value::Object(number) = value else {
            return None;
        };
        self.objects.get(*number)
    }

    pub(super) fn call(&self, value: &Value) -> Option<&Call> {
        match self.object(value)? {
            Object::Call(call) => Some(call),
            Object::Sequence(_) | Object::Dict(_) | Object::Global(..) | Object::Outside(_) => None,
        }
    }

    /// Module and name of a class or function.
    pub(super) fn global(&self, value: &Value) -> Option<(&str, &str)> {
        match self.object(value)? {
            Object::Global(module, name) => Some((module, name)),
            Object::Sequence(_) | Object::Dict(_) | Object::Call(_) | Object::Outside(_) => None,
        }
    }

    pub(super) fn sequence(&self, value: &Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::Sequence(values) => Some(values),
            Object::Dict(_) | Object::Global(..) | Object::Call(_) | Object::Outside(_) => None,
        }
    }

    /// Keys and values of a dict, or of an object of a class like `OrderedDict`.
    pub(super) fn items(&self, value: &Value) -> Option<Vec<(&Value, &Value)>> {
        match self.object(value)? {
            Object::Dict(items) => Some(items.iter().map(|(key, value)| (key, value)).collect()),
            Object::Call(call) if !call.items.is_empty() => {
                Some(call.items.iter().map(|(key, value)| (key, value)).collect())
            }
            // Python 2's `OrderedDict([[key, value], …])`.
            Object::Call(call) if self.global(&call.callable) == Some(ORDERED_DICT) => {
                let arguments = self.sequence(&call.arguments)?;
                let pairs = arguments
                    .first()
                    .map_or(Some(&[][..]), |of| self.sequence(of))?;
                let pairs = pairs.iter().map(|pair| match self.sequence(pair)? {
                    [key, value] => Some((key, value)),
                    _ => None,
                });
                pairs.collect()
            }
            Object::Call(_) | Object::Sequence(_) | Object::Global(..) | Object::Outside(_) => None,
        }
    }

    /// The value of the text `key` in a dict; the last, where a key stands twice.
    pub(super) fn get(&self, dict: &Value, key: &str) -> Option<&Value> {
        let items = self.items(dict)?;
        let found = items
            .into_iter()
            .rev()
            .find(|(found, _)| text(found) == Some(key));
        found.map(|(_, value)| value)
    }

    /// Sizes or strides: a tuple of whole numbers, or a `torch.Size`.
    pub(super) fn sizes(&self, value: &Value) -> Option<Vec<usize>> {
        let value = match self.call(value) {
            Some(call) => self.sequence(&call.arguments)?.first()?,
            None => value,
        };
        let sizes = self.sequence(value)?.iter();
        sizes.map(|size| usize::try_from(int(size)?).ok()).collect()
    }
}

const ORDERED_DICT: (&str, &str) = ("collections", "OrderedDict");

pub(super) fn text(value: &Value) -> Option<&str> {
    let Value::Text(text) = value else {
        return None;
    };
    Some(text)
}

pub(super) fn int(value: &Value) -> Option<i64> {
    let Value::Int(int) = value else {
        return None;
    };
    Some(*int)
}
