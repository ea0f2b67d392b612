//! The pickle machine: a stack, a memo, and the opcodes of protocols 0 to 5.
//!
//! Opcodes: the table of Python's `pickletools`. Each step reads at least one byte and makes a
//! bounded number of values, so a pickle is done in time in proportion to its length.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::rebuild::{call, class_of_module, instance, storage};
use super::values::{Heap, Items, Node, Pickled, Value};

/// Reads the pickle that begins at `start` of `bytes`, which lie in a file of `file_length` bytes.
pub(super) fn load(bytes: &[u8], start: usize, file_length: usize) -> Result<Pickled<'_>, String> {
    let mut machine = Machine {
        input: Cursor::new(bytes, start),
        heap: Heap::new(file_length),
        stack: Vec::new(),
        deepest: 0,
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let at = machine.input.at();
        let opcode = machine.input.u8()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            let end = machine.input.at();
            return Ok(Pickled { nodes: machine.heap.into_nodes(), root, end });
        }
        machine.step(opcode).map_err(|why| format!("{why} (at byte {at})"))?;
    }
}

struct Machine<'a> {
    input: Cursor<'a>,
    heap: Heap<'a>,
    stack: Vec<Value<'a>>,
    deepest: usize, // the most values that were on the stack
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), String> {
        let value = match opcode {
            b'N' => Value::Opaque,                                   // NONE
            0x88 | 0x89 => Value::Opaque,                            // NEWTRUE, NEWFALSE
            b'J' => Value::Int(i64::from(self.input.u32()? as i32)), // BININT
            b'K' => Value::Int(i64::from(self.input.u8()?)),         // BININT1
            b'M' => Value::Int(i64::from(self.input.u16()?)),        // BININT2
            b'I' | b'L' => integer(self.input.line()?),              // INT, LONG
            0x8a => self.long(1)?,                                   // LONG1
            0x8b => self.long(4)?,                                   // LONG4
            b'F' => self.input.line().map(|_| Value::Opaque)?,       // FLOAT
            b'G' => self.input.take(8).map(|_| Value::Opaque)?,      // BINFLOAT
            b'S' => quoted(self.input.line()?),                      // STRING
            b'V' => text(self.input.line()?),                        // UNICODE
            b'T' | b'X' => text(self.counted(4)?),                   // BINSTRING, BINUNICODE
            b'U' | 0x8c => text(self.counted(1)?), // SHORT_BINSTRING, SHORT_BINUNICODE
            0x8d => text(self.counted(8)?),        // BINUNICODE8
            b'B' => self.counted(4).map(|_| Value::Opaque)?, // BINBYTES
            b'C' => self.counted(1).map(|_| Value::Opaque)?, // SHORT_BINBYTES
            0x8e | 0x96 => self.counted(8).map(|_| Value::Opaque)?, // BINBYTES8, BYTEARRAY8
            b')' => self.heap.tuple(Vec::new())?,  // EMPTY_TUPLE
            b']' => self.heap.add(Node::List(Items::default()))?, // EMPTY_LIST
            b'}' => self.heap.add(Node::Dict(Vec::new()))?, // EMPTY_DICT
            0x8f => Value::Opaque,                 // EMPTY_SET
            0x85 => self.tuple_of(1)?,             // TUPLE1
            0x86 => self.tuple_of(2)?,             // TUPLE2
            0x87 => self.tuple_of(3)?,             // TUPLE3
            // TUPLE
            b't' => {
                let items = self.pop_to_mark()?;
                self.heap.tuple(items)?
            }
            // LIST
            b'l' => {
                let items = self.pop_to_mark()?;
                let list = self.heap.add(Node::List(Items::default()))?;
                self.heap.append(list, &items)?;
                list
            }
            // DICT
            b'd' => {
                let pairs = self.pop_to_mark()?;
                let dict = self.heap.add(Node::Dict(Vec::new()))?;
                self.heap.set(dict, &pairs)?;
                dict
            }
            0x91 => self.pop_to_mark().map(|_| Value::Opaque)?, // FROZENSET
            // GLOBAL
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.global(text(module), text(name))?
            }
            // STACK_GLOBAL
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.global(module, name)?
            }
            // INST
            b'i' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.pop_to_mark()?;
                let class = self.global(text(module), text(name))?;
                instance(&mut self.heap, class)?
            }
            // OBJ
            b'o' => {
                let class = self.pop_to_mark()?.first().copied();
                instance(&mut self.heap, class.ok_or("an object has no class")?)?
            }
            // REDUCE
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                call(&mut self.heap, function, arguments)?
            }
            0x81 | 0x92 => {
                self.pop()?; // NEWOBJ, and NEWOBJ_EX with named arguments too
                if opcode == 0x92 {
                    self.pop()?;
                }
                let class = self.pop()?;
                instance(&mut self.heap, class)?
            }
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                match storage(&self.heap, id)? {
                    Some(storage) => self.heap.add(Node::Storage(storage))?,
                    None => class_of_module(&self.heap, id),
                }
            }
            b'P' => self.input.line().map(|_| Value::Opaque)?, // PERSID
            b'2' => self.top()?,                               // DUP
            // BINGET
            b'h' => {
                let index = self.input.u8()?;
                self.get(u32::from(index))?
            }
            // LONG_BINGET
            b'j' => {
                let index = self.input.u32()?;
                self.get(index)?
            }
            // GET
            b'g' => {
                let index = index(self.input.line()?)?;
                self.get(index)?
            }
            _ => return self.change(opcode),
        };
        self.push(value)
    }

    /// The opcodes that push nothing.
    fn change(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            0x80 => self.input.u8().map(|_| ())?,    // PROTO
            0x95 => self.input.take(8).map(|_| ())?, // FRAME
            // MARK
            b'(' => {
                self.heap.charge::<usize>(1)?;
                self.marks.push(self.stack.len());
            }
            // POP, which takes a mark where one is on top
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.truncate(self.marks.len() - 1)
            }
            b'0' => self.pop().map(|_| ())?,
            b'1' => self.pop_to_mark().map(|_| ())?, // POP_MARK
            // APPEND
            b'a' => {
                let item = self.pop()?;
                let list = self.top()?;
                self.heap.append(list, &[item])?;
            }
            // APPENDS
            b'e' => {
                let items = self.pop_to_mark()?;
                let list = self.top()?;
                self.heap.append(list, &items)?;
            }
            // SETITEM
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                let dict = self.top()?;
                self.heap.set(dict, &[key, value])?;
            }
            // SETITEMS
            b'u' => {
                let pairs = self.pop_to_mark()?;
                let dict = self.top()?;
                self.heap.set(dict, &pairs)?;
            }
            0x90 => self.pop_to_mark().map(|_| ())?, // ADDITEMS
            // BUILD
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                self.heap.build(object, state);
            }
            // BINPUT
            b'q' => {
                let index = self.input.u8()?;
                self.put(u32::from(index))?;
            }
            // LONG_BINPUT
            b'r' => {
                let index = self.input.u32()?;
                self.put(index)?;
            }
            // PUT
            b'p' => {
                let index = index(self.input.line()?)?;
                self.put(index)?;
            }
            // MEMOIZE
            0x94 => {
                let index = self.memo.len();
                self.put(u32::try_from(index).map_err(|_| "its memo is too large")?)?;
            }
            _ => return Err(format!("it has the opcode 0x{opcode:02x}, which is not read")),
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        self.stack.push(value);
        if self.stack.len() > self.deepest {
            self.deepest = self.stack.len();
            self.heap.charge::<Value<'_>>(1)?;
        }
        Ok(())
    }

    /// The lowest position of the stack from which values may be taken.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        let value = if self.stack.len() > self.floor() { self.stack.pop() } else { None };
        value.ok_or_else(|| "it takes a value that is not there".to_owned())
    }

    fn top(&self) -> Result<Value<'a>, String> {
        let top = if self.stack.len() > self.floor() { self.stack.last() } else { None };
        top.copied().ok_or_else(|| "it takes a value that is not there".to_owned())
    }

    /// Removes the mark and returns the values above it.
    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, String> {
        let mark = self.marks.pop().ok_or("it takes a mark that is not there")?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple_of(&mut self, n: usize) -> Result<Value<'a>, String> {
        let first = self.stack.len().checked_sub(n).filter(|&first| first >= self.floor());
        let first = first.ok_or("it takes a value that is not there")?;
        let items = self.stack.split_off(first);
        self.heap.tuple(items)
    }

    fn global(&mut self, module: Value<'a>, name: Value<'a>) -> Result<Value<'a>, String> {
        match (module, name) {
            (Value::Text(module), Value::Text(name)) => {
                self.heap.add(Node::Global { module, name })
            }
            _ => Err("the name of a class is no text".to_owned()),
        }
    }

    fn get(&self, index: u32) -> Result<Value<'a>, String> {
        let value = self.memo.get(&index).copied();
        value.ok_or_else(|| format!("it recalls value {index}, which it has not kept"))
    }

    fn put(&mut self, index: u32) -> Result<(), String> {
        let value = self.top()?;
        if self.memo.insert(index, value).is_none() {
            // With what a hash table keeps free.
            self.heap.charge::<(u32, Value<'_>)>(2)?;
        }
        Ok(())
    }

    /// Bytes after their length in `width` bytes.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], String> {
        let length = self.input.take(width)?;
        let length = length.iter().rev().fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
        self.input.take(usize::try_from(length).map_err(|_| "a text is too long")?)
    }

    /// An integer in two's complement; opaque when it does not fit 64 bits.
    fn long(&mut self, width: usize) -> Result<Value<'a>, String> {
        let bytes = self.counted(width)?;
        if bytes.len() > 8 {
            return Ok(Value::Opaque);
        }
        let sign = bytes.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { 0xff });
        let mut wide = [sign; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }
}

/// Text, where it is UTF-8.
fn text(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or(Value::Opaque, Value::Text)
}

/// The text of Python's `repr`, where it has no escapes.
fn quoted(line: &[u8]) -> Value<'_> {
    match line {
        [b'\'' | b'"', inner @ .., b'\'' | b'"'] if !inner.contains(&b'\\') => text(inner),
        _ => Value::Opaque,
    }
}

fn number<T: std::str::FromStr>(line: &[u8]) -> Option<T> {
    std::str::from_utf8(line).ok()?.trim_end_matches('L').parse().ok()
}

fn integer(line: &[u8]) -> Value<'_> {
    number(line).map_or(Value::Opaque, Value::Int)
}

fn index(line: &[u8]) -> Result<u32, String> {
    number(line).ok_or_else(|| "an index in its memo is not a number".to_owned())
}
