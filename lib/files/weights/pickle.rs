//! Pickles of tensors, read without Python and without executing anything.
//!
//! A pickle is a program for a stack machine, and one that names a function has it called. The checkpoints that PyTorch
//! writes need a small part of that: containers, numbers, texts, and the calls that rebuild a tensor from its storage.
//! This machine knows that part. Any other class or function is refused by its name, any other instruction by its
//! number.

use std::collections::{BTreeMap, HashMap};
use tch::Kind;

/// A tensor as a pickle describes it: a view of a storage that lies elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The storage's name.
    pub storage: String,
    /// Type of its elements.
    pub kind: Kind,
    /// Number of its elements.
    pub n_stored: i64,
    /// Index of the first element.
    pub offset: i64,
    /// Length of each dimension.
    pub size: Vec<i64>,
    /// Distance in elements between neighbours along each dimension.
    pub stride: Vec<i64>,
}

/// The tensors of a pickled dictionary, by name. Its plain values are passed over.
///
/// # Errors
/// The pickle is cut short, holds something else than tensors and plain containers, or is no dictionary of tensors; one
/// that holds them in a dictionary of its own is named by its key.
pub(super) fn tensors(pickle: &[u8]) -> Result<Vec<(String, View)>, String> {
    let mut machine = Machine { pickle, ..Machine::default() };
    let top = machine.run()?;
    let Value::Dict(pairs) = &machine.values[top] else { return Err("its pickle is no dictionary of tensors".into()) };
    match pairs.iter().find(|&&(_, value)| machine.holds_tensors(value)) {
        Some(&(key, _)) => Err(nested(machine.text_of(key).unwrap_or_default())),
        None => {
            let last_of_name: BTreeMap<&str, &View> =
                pairs.iter().filter_map(|&pair| machine.named_tensor(pair)).collect();
            Ok(last_of_name.into_iter().map(|(name, view)| (name.into(), view.clone())).collect())
        }
    }
}

/// What is known of the classes and functions that a pickle may name.
#[derive(Debug, Clone, Copy)]
enum Known {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

const KNOWN: [(&str, &str, Known); 15] = [
    ("collections", "OrderedDict", Known::OrderedDict),
    ("torch", "Size", Known::Size),
    ("torch._utils", "_rebuild_tensor_v2", Known::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Known::RebuildParameter),
    ("torch._utils", "_rebuild_parameter_with_state", Known::RebuildParameter),
    ("torch", "FloatStorage", Known::Storage(Kind::Float)),
    ("torch", "HalfStorage", Known::Storage(Kind::Half)),
    ("torch", "BFloat16Storage", Known::Storage(Kind::BFloat16)),
    ("torch", "DoubleStorage", Known::Storage(Kind::Double)),
    ("torch", "LongStorage", Known::Storage(Kind::Int64)),
    ("torch", "IntStorage", Known::Storage(Kind::Int)),
    ("torch", "ShortStorage", Known::Storage(Kind::Int16)),
    ("torch", "CharStorage", Known::Storage(Kind::Int8)),
    ("torch", "ByteStorage", Known::Storage(Kind::Uint8)),
    ("torch", "BoolStorage", Known::Storage(Kind::Bool)),
];

/// Dimensions of a tensor. Sizes are copied for each tensor that names them, so they must be few.
const MAX_RANK: usize = 32;

/// Bytes of a storage's name, a number. It is copied for each tensor as well.
const MAX_STORAGE_NAME: usize = 256;

/// Index of a value among all that a pickle made. Containers hold indices, so that one value may stand in two places.
type Id = usize;

#[derive(Debug)]
enum Value {
    /// None, a truth value or a fraction: nothing that a tensor needs.
    Plain,
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Known(Known),
    Storage {
        name: String,
        kind: Kind,
        n_stored: i64,
    },
    Tensor(View),
}

#[derive(Default)]
struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at which a container began.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Items of lists that were copied into dictionaries.
    n_copied: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                instruction => self.step(instruction)?,
            }
        }
    }

    /// One instruction; the letters and numbers are those of Python's `pickletools`.
    fn step(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            0x80 => self.protocol(),
            0x95 => self.take(8).map(drop), // FRAME, a length
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'N' | 0x88 | 0x89 => self.push(Value::Plain),
            b'G' => {
                self.take(8)?;
                self.push(Value::Plain)
            }
            b'K' | b'M' | b'J' | 0x8a => self.int(instruction),
            b'U' | 0x8c | b'T' | b'X' | 0x8d => self.text(instruction),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => self.tuple(usize::from(instruction - 0x84)),
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items))
            }
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'a' | b'e' | b's' | b'u' => self.fill(instruction),
            b'q' | b'r' | 0x94 => self.remember(instruction),
            b'h' | b'j' => self.recall(instruction),
            b'c' | 0x93 | b'i' => self.global(instruction),
            b'Q' => self.storage(),
            b'R' => self.call(),
            b'b' => self.build(),
            other => Err(format!(
                "its pickle has the instruction {other:#04x} at byte {}, which files of tensors do not use",
                self.at - 1
            )),
        }
    }

    fn protocol(&mut self) -> Result<(), String> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(format!("its pickle has protocol {other}, 2 to 5 are read")),
        }
    }

    fn int(&mut self, instruction: u8) -> Result<(), String> {
        let value = match instruction {
            b'K' => i64::from(self.byte()?),
            b'M' => self.length(2)? as i64,
            b'J' => i64::from(self.length(4)? as u32 as i32),
            _ => self.long()?,
        };
        self.push(Value::Int(value))
    }

    /// LONG1: a length, then so many bytes in two's complement.
    fn long(&mut self) -> Result<i64, String> {
        let n_bytes = usize::from(self.byte()?);
        let bytes = self.take(n_bytes)?;
        if n_bytes > 8 {
            return Err(format!("its pickle has an integer of {n_bytes} bytes"));
        }
        let fill = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide[..n_bytes].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    fn text(&mut self, instruction: u8) -> Result<(), String> {
        let n_bytes = match instruction {
            b'U' | 0x8c => self.length(1)?,
            b'T' | b'X' => self.length(4)?,
            _ => self.length(8)?,
        };
        let text = std::str::from_utf8(self.take(n_bytes)?).map_err(|e| format!("its pickle has a text that {e}"))?;
        let text = text.to_owned();
        self.push(Value::Text(text))
    }

    fn tuple(&mut self, n_items: usize) -> Result<(), String> {
        let start = self.stack.len().checked_sub(n_items).ok_or_else(malformed)?;
        let items = self.stack.split_off(start);
        self.push(Value::Tuple(items))
    }

    /// APPEND, APPENDS, SETITEM, SETITEMS: puts what is on top of the stack into the container below it.
    fn fill(&mut self, instruction: u8) -> Result<(), String> {
        let items = match instruction {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.since_mark()?,
        };
        let container = *self.stack.last().ok_or_else(malformed)?;
        match (&mut self.values[container], instruction) {
            (Value::List(held), b'a' | b'e') => held.extend(items),
            (Value::Dict(held), b's' | b'u') if items.len() % 2 == 0 => {
                held.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])))
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }

    fn remember(&mut self, instruction: u8) -> Result<(), String> {
        let place = match instruction {
            b'q' => self.length(1)? as u32,
            b'r' => self.length(4)? as u32,
            _ => self.memo.len() as u32,
        };
        let top = *self.stack.last().ok_or_else(malformed)?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, instruction: u8) -> Result<(), String> {
        let place = self.length(if instruction == b'h' { 1 } else { 4 })? as u32;
        let id = *self.memo.get(&place).ok_or_else(malformed)?;
        self.stack.push(id);
        Ok(())
    }

    /// GLOBAL, STACK_GLOBAL, INST: a class or function by module and name.
    fn global(&mut self, instruction: u8) -> Result<(), String> {
        let (module, name) = if instruction == 0x93 {
            let (name, module) = (self.pop()?, self.pop()?);
            (self.text_of(module)?, self.text_of(name)?)
        } else {
            (self.line()?, self.line()?)
        };
        let known = KNOWN.into_iter().find(|(in_module, called, _)| (*in_module, *called) == (&module, &name));
        let (_, _, known) = known.ok_or_else(|| {
            format!(
                "its pickle asks for {module}.{name}: only tensors and plain containers are read, and nothing is \
                 executed. Take the model's safetensors file, or look at who made this one"
            )
        })?;
        self.push(Value::Known(known))
    }

    /// BINPERSID: a storage, given as ("storage", its class, its name, a device, its number of elements).
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let &[what, class, name, _device, n_stored] = self.tuple_of(id)? else { return Err(malformed()) };
        let (Value::Known(Known::Storage(kind)), "storage") = (&self.values[class], self.text_of(what)?.as_str())
        else {
            return Err(malformed());
        };
        let (kind, name, n_stored) = (*kind, self.text_of(name)?, self.int_of(n_stored)?);
        if name.len() > MAX_STORAGE_NAME {
            return Err(malformed());
        }
        self.push(Value::Storage { name, kind, n_stored })
    }

    /// REDUCE: a call of something known.
    fn call(&mut self) -> Result<(), String> {
        let (args, callee) = (self.pop()?, self.pop()?);
        let args = self.tuple_of(args)?;
        let Value::Known(callee) = &self.values[callee] else { return Err(malformed()) };
        let made = match (callee, args) {
            (Known::OrderedDict, []) => Value::Dict(Vec::new()),
            (Known::OrderedDict, &[pairs]) => Value::Dict(self.pairs_of(pairs)?),
            (Known::Size, &[size]) => Value::Tuple(self.lengths_of(size)?.to_vec()),
            (Known::RebuildTensor, &[storage, offset, size, stride, ..]) => self.view(storage, offset, size, stride)?,
            (Known::RebuildParameter, &[tensor, ..]) => match &self.values[tensor] {
                Value::Tensor(view) => Value::Tensor(view.clone()),
                _ => return Err(malformed()),
            },
            _ => return Err(malformed()),
        };
        self.push(made)
    }

    fn view(&self, storage: Id, offset: Id, size: Id, stride: Id) -> Result<Value, String> {
        let Value::Storage { name, kind, n_stored } = &self.values[storage] else { return Err(malformed()) };
        let ints = |id| self.lengths_of(id)?.iter().map(|&item| self.int_of(item)).collect::<Result<Vec<i64>, _>>();
        Ok(Value::Tensor(View {
            storage: name.clone(),
            kind: *kind,
            n_stored: *n_stored,
            offset: self.int_of(offset)?,
            size: ints(size)?,
            stride: ints(stride)?,
        }))
    }

    /// BUILD: attributes of an OrderedDict (PyTorch's `_metadata`), which say nothing of the tensors.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.stack.last().map(|&id| &self.values[id]) {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err(malformed()),
        }
    }

    /// A tensor and its key; nothing for a plain value.
    fn named_tensor(&self, (key, value): (Id, Id)) -> Option<(&str, &View)> {
        match (&self.values[key], &self.values[value]) {
            (Value::Text(name), Value::Tensor(view)) => Some((name, view)),
            _ => None,
        }
    }

    /// Whether a value is a dictionary with tensors in it.
    fn holds_tensors(&self, value: Id) -> bool {
        matches!(&self.values[value], Value::Dict(pairs) if pairs.iter().any(|&pair| self.named_tensor(pair).is_some()))
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(malformed)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let start = self.marks.pop().filter(|&start| start <= self.stack.len()).ok_or_else(malformed)?;
        Ok(self.stack.split_off(start))
    }

    fn text_of(&self, id: Id) -> Result<String, String> {
        match &self.values[id] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(malformed()),
        }
    }

    fn int_of(&self, id: Id) -> Result<i64, String> {
        match &self.values[id] {
            Value::Int(value) => Ok(*value),
            _ => Err(malformed()),
        }
    }

    fn tuple_of(&self, id: Id) -> Result<&[Id], String> {
        match &self.values[id] {
            Value::Tuple(items) => Ok(items),
            _ => Err(malformed()),
        }
    }

    fn items_of(&self, id: Id) -> Result<&[Id], String> {
        match &self.values[id] {
            Value::Tuple(items) | Value::List(items) => Ok(items),
            _ => Err(malformed()),
        }
    }

    /// The items of a tensor's size or stride.
    fn lengths_of(&self, id: Id) -> Result<&[Id], String> {
        match self.items_of(id)? {
            lengths if lengths.len() <= MAX_RANK => Ok(lengths),
            lengths => {
                Err(format!("its pickle has a tensor of {} dimensions, at most {MAX_RANK} are read", lengths.len()))
            }
        }
    }

    /// The pairs of a list. One list may be named very often: all copies together may be as long as the pickle.
    fn pairs_of(&mut self, id: Id) -> Result<Vec<(Id, Id)>, String> {
        self.n_copied += self.items_of(id)?.len();
        if self.n_copied > self.pickle.len() {
            return Err(malformed());
        }
        let pair = |&id: &Id| match self.items_of(id)? {
            &[key, value] => Ok((key, value)),
            _ => Err(malformed()),
        };
        self.items_of(id)?.iter().map(pair).collect()
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of `n_bytes` bytes.
    fn length(&mut self, n_bytes: usize) -> Result<usize, String> {
        let bytes = self.take(n_bytes)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.pickle[self.at..];
        let n_bytes = rest.iter().position(|&byte| byte == b'\n').ok_or_else(cut_short)?;
        self.at += n_bytes + 1;
        Ok(String::from_utf8_lossy(&rest[..n_bytes]).into_owned())
    }

    fn take(&mut self, n_bytes: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(n_bytes).filter(|&end| end <= self.pickle.len()).ok_or_else(cut_short)?;
        let taken = &self.pickle[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

fn nested(key: String) -> String {
    format!(
        "holds its tensors under {key:?}, a training's checkpoint: save that part as a file of its own, in Python \
         torch.save(torch.load(PATH)[{key:?}], PATH)"
    )
}

fn cut_short() -> String {
    "its pickle ends in the middle: copy or download the file again".into()
}

fn malformed() -> String {
    "its pickle is damaged, or no file of tensors: copy or download the file again".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"w": tensor}` of protocol 2: a 2 × 3 view, transposed, from element 4 of ten.
    const TURNED: &[u8] = b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03ctorch\nHalfStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\ntq\x07QK\x04K\x02K\x03\x86q\x08K\x01K\x02\x86q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.";

    fn turned() -> View {
        View { storage: "0".into(), kind: Kind::Half, n_stored: 10, offset: 4, size: vec![2, 3], stride: vec![1, 2] }
    }

    #[test]
    fn a_tensor_is_its_storage_offset_size_and_stride() {
        assert_eq!(tensors(TURNED), Ok(vec![("w".to_string(), turned())]));
    }

    #[test]
    fn a_parameter_is_its_tensor_whatever_its_state() {
        let head = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_parameter_with_state\n(".as_slice();
        let tensor = &TURNED[b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01".len()..TURNED.len() - b"s.".len()];
        let pickle = [head, tensor, b"\x88ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00a\x88stRs."].concat();
        assert_eq!(tensors(&pickle), Ok(vec![("w".to_string(), turned())]));
    }

    #[test]
    fn a_size_of_very_many_dimensions_is_refused() {
        let size = b"K\x01".repeat(33);
        let pickle = [b"\x80\x02}X\x01\x00\x00\x00wctorch\nSize\n((".as_slice(), &size, b"ttRs."].concat();
        assert!(tensors(&pickle).unwrap_err().contains("33 dimensions"));
    }

    #[test]
    fn a_dictionary_within_the_dictionary_is_named() {
        let pickle = [b"\x80\x02}X\x05\x00\x00\x00model".as_slice(), &TURNED[2..TURNED.len() - 1], b"s."].concat();
        assert!(tensors(&pickle).unwrap_err().contains("under \"model\""));
    }

    #[test]
    fn whatever_asks_for_something_else_is_refused_by_name() {
        let pickles: [&[u8]; 4] = [
            b"\x80\x02cos\nsystem\nX\x07\x00\x00\x00echo hi\x85R.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x07echo hi\x85R.",
            b"(X\x07\x00\x00\x00echo hiios\nsystem\n.",
            b"\x80\x02}X\x01\x00\x00\x00wcos\nsystem\ns.",
        ];
        for pickle in pickles {
            let error = tensors(pickle).unwrap_err();
            assert!(error.contains("asks for os.system"), "{error}");
        }
        let error = tensors(b"\x80\x02\x82\x01.").unwrap_err();
        assert!(error.contains("instruction 0x82 at byte 2"), "{error}");
        assert!(tensors(b"\x80\x02ctorch\nFloatStorage\n)R.").unwrap_err().contains("no file of tensors"));
        assert!(tensors(b"\x80\x06.").unwrap_err().contains("protocol 6"));
        assert!(tensors(b"\x80\x02].").unwrap_err().contains("no dictionary"));
    }

    #[test]
    fn integers_have_a_sign() {
        let read = |pickle: &[u8]| {
            let mut machine = Machine { pickle, ..Machine::default() };
            let top = machine.run().unwrap();
            machine.int_of(top).unwrap()
        };
        assert_eq!(read(b"K\xff."), 255);
        assert_eq!(read(b"M\xff\xff."), 65_535);
        assert_eq!(read(b"J\xfe\xff\xff\xff."), -2);
        assert_eq!(read(b"\x8a\x00."), 0);
        assert_eq!(read(b"\x8a\x01\xff."), -1);
        assert_eq!(read(b"\x8a\x05\x00\x00\x00\x00\x01."), 1 << 32);
    }

    #[test]
    fn no_damage_is_more_than_an_error() {
        assert!((0..TURNED.len()).all(|end| tensors(&TURNED[..end]).is_err()));
        let mut damaged = TURNED.to_vec();
        let mut n_refused = 0;
        for at in 0..TURNED.len() {
            for byte in 0..=255 {
                damaged[at] = byte;
                n_refused += usize::from(tensors(&damaged).is_err());
            }
            damaged[at] = TURNED[at];
        }
        assert!(n_refused > 128 * TURNED.len(), "most damage is seen: {n_refused}");
    }
}
