//! Caches in memory, with the rules of SPEC 10.3 and 10.4.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::message::ScanRequest;
use crate::zz_abi::{
    MAX_CACHE_KEY, MAX_SAVEPOINTS, MAX_SCAN_BYTES, RESULT_INVALID, RESULT_LIMIT, RESULT_UNBOUND,
    SAVEPOINT_BEGIN, SAVEPOINT_RELEASE, SAVEPOINT_ROLLBACK, SAVEPOINT_ROLLBACK_RECORD,
};

/// The type of a cache's keys: `key` in the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// Bytes or text, in the order of the bytes.
    #[default]
    Bytes,
    /// Numbers in order.
    Int,
    /// Numbers in order, without NaN.
    Float,
    /// False before true.
    Bool,
}

const SIGN: u64 = 1 << 63;

impl KeyType {
    /// From the form that guests use to one whose bytes are in order.
    fn encode(self, form: &[u8]) -> Result<Vec<u8>, Refusal> {
        if form.len() > MAX_CACHE_KEY {
            return Err(Refusal::Limit);
        }
        let number = || <[u8; 8]>::try_from(form).map_err(|_| Refusal::Invalid);
        match self {
            KeyType::Bytes => Ok(form.to_vec()),
            KeyType::Int => {
                let n = u64::from_le_bytes(number()?);
                Ok((n ^ SIGN).to_be_bytes().to_vec())
            }
            KeyType::Float => {
                let x = f64::from_le_bytes(number()?);
                if x.is_nan() {
                    return Err(Refusal::Invalid);
                }
                // Adding 0 makes 0 of -0.
                let bits = (x + 0.0).to_bits();
                let order = if bits & SIGN == 0 { bits | SIGN } else { !bits };
                Ok(order.to_be_bytes().to_vec())
            }
            KeyType::Bool => match form {
                [0 | 1] => Ok(form.to_vec()),
                _ => Err(Refusal::Invalid),
            },
        }
    }

    /// Back from [`KeyType::encode`].
    fn decode(self, stored: &[u8]) -> Vec<u8> {
        let number = || u64::from_be_bytes(stored.try_into().expect("8 bytes were stored"));
        match self {
            KeyType::Bytes | KeyType::Bool => stored.to_vec(),
            KeyType::Int => (number() ^ SIGN).to_le_bytes().to_vec(),
            KeyType::Float => {
                let order = number();
                let bits = if order & SIGN == 0 {
                    !order
                } else {
                    order & !SIGN
                };
                bits.to_le_bytes().to_vec()
            }
        }
    }
}

/// Why the store does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unbound,
    Invalid,
    Limit,
}

impl Refusal {
    pub(super) fn result(self) -> i64 {
        match self {
            Refusal::Unbound => RESULT_UNBOUND,
            Refusal::Invalid => RESULT_INVALID,
            Refusal::Limit => RESULT_LIMIT,
        }
    }
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// How a cache is declared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) key: KeyType,
    /// Handlers read it only; all partitions have the same.
    pub(crate) global: bool,
}

/// Where a cache's entries are: its id and a partition.
type Place = (usize, i32);

/// A write: what undoes it, and the bytes it counts.
#[derive(Debug)]
struct Write {
    place: Place,
    key: Vec<u8>,
    old: Option<Vec<u8>>,
    bytes: usize,
}

/// The caches of a handler's tasks.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) specs: Vec<Spec>,
    entries: BTreeMap<Place, Entries>,
    stream_times: BTreeMap<i32, i64>,
    pub(crate) partition: i32,
    /// The most bytes that one record may write.
    pub(crate) most: usize,
    /// The current record's writes, oldest first.
    writes: Vec<Write>,
    /// How many writes there were at each open savepoint.
    savepoints: Vec<usize>,
    /// The record reached a limit.
    pub(super) limited: bool,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            specs: Vec::new(),
            entries: BTreeMap::new(),
            stream_times: BTreeMap::new(),
            partition: 0,
            most: 16 << 20,
            writes: Vec::new(),
            savepoints: Vec::new(),
            limited: false,
        }
    }
}

impl Store {
    pub(super) fn advance(&mut self, timestamp: i64) {
        let time = self.stream_times.entry(self.partition).or_insert(-1);
        *time = timestamp.max(*time);
    }

    pub(crate) fn stream_time(&self) -> i64 {
        let time = self.stream_times.get(&self.partition);
        time.copied().unwrap_or(-1)
    }

    /// Ends the record: true if it reached a limit, and its writes are undone.
    pub(super) fn end_record(&mut self) -> bool {
        let limited = self.limited;
        if limited {
            self.undo(0);
        }
        self.limited = false;
        self.writes.clear();
        self.savepoints.clear();
        limited
    }

    /// The entry of a key in the form that guests use, before a run and after.
    pub(crate) fn look(&self, cache: usize, key: &[u8]) -> Option<&[u8]> {
        self.get(cache as i32, key).ok().flatten()
    }

    /// Sets an entry from outside.
    pub(crate) fn set(&mut self, cache: usize, key: &[u8], value: &[u8]) -> bool {
        let key = match self.spec(cache as i32).and_then(|s| s.key.encode(key)) {
            Ok(key) => key,
            Err(_) => return false,
        };
        let place = self.place(cache);
        let entries = self.entries.entry(place).or_default();
        entries.insert(key, value.to_vec());
        true
    }

    /// All entries of a cache, keys in the form that guests use.
    pub(crate) fn all(&self, cache: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let key = self.specs.get(cache).copied().unwrap_or_default().key;
        let entries = self.entries.get(&self.place(cache)).into_iter().flatten();
        entries.map(|(k, v)| (key.decode(k), v.clone())).collect()
    }

    fn spec(&self, cache: i32) -> Result<Spec, Refusal> {
        let spec = usize::try_from(cache).ok().and_then(|c| self.specs.get(c));
        spec.copied().ok_or(Refusal::Unbound)
    }

    fn place(&self, cache: usize) -> Place {
        match self.specs.get(cache) {
            Some(spec) if spec.global => (cache, -1),
            _ => (cache, self.partition),
        }
    }

    pub(super) fn get(&self, cache: i32, key: &[u8]) -> Result<Option<&[u8]>, Refusal> {
        let key = self.spec(cache)?.key.encode(key)?;
        let entries = self.entries.get(&self.place(cache as usize));
        Ok(entries.and_then(|e| e.get(&key)).map(Vec::as_slice))
    }

    pub(super) fn put(&mut self, cache: i32, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.change(cache, key, Some(value))
    }

    pub(super) fn delete(&mut self, cache: i32, key: &[u8]) -> Result<(), Refusal> {
        self.change(cache, key, None)
    }

    fn change(&mut self, cache: i32, key: &[u8], value: Option<&[u8]>) -> Result<(), Refusal> {
        let spec = self.spec(cache)?;
        let key = spec.key.encode(key)?;
        if spec.global {
            return Err(Refusal::Invalid);
        }
        self.write(cache as usize, key, value)
    }

    fn write(&mut self, cache: usize, key: Vec<u8>, value: Option<&[u8]>) -> Result<(), Refusal> {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        let staged: usize = self.writes.iter().map(|w| w.bytes).sum();
        if staged + bytes > self.most {
            return Err(Refusal::Limit);
        }
        let place = self.place(cache);
        let entries = self.entries.entry(place).or_default();
        let old = match value {
            Some(v) => entries.insert(key.clone(), v.to_vec()),
            None => entries.remove(&key),
        };
        self.writes.push(Write {
            place,
            key,
            old,
            bytes,
        });
        Ok(())
    }

    pub(super) fn delete_range(
        &mut self,
        cache: i32,
        from: &[u8],
        to: &[u8],
    ) -> Result<(), Refusal> {
        let spec = self.spec(cache)?;
        if spec.global || spec.key == KeyType::Bool {
            return Err(Refusal::Invalid);
        }
        let end = |form: &[u8]| match form {
            [] => Ok(None),
            form => spec.key.encode(form).map(Some),
        };
        let (from, to) = (end(from)?.unwrap_or_default(), end(to)?);
        let mark = self.writes.len();
        for key in self.keys(cache as usize, &from, to.as_deref()) {
            if let Err(e) = self.write(cache as usize, key, None) {
                self.undo(mark);
                return Err(e);
            }
        }
        Ok(())
    }

    fn keys(&self, cache: usize, from: &[u8], to: Option<&[u8]>) -> Vec<Vec<u8>> {
        let entries = self.entries.get(&self.place(cache)).into_iter().flatten();
        let inside = |k: &&Vec<u8>| k.as_slice() >= from && to.map_or(true, |to| k.as_slice() < to);
        entries.map(|(k, _)| k).filter(inside).cloned().collect()
    }

    /// One page: entries with keys in the form that guests use, and a cursor.
    #[allow(clippy::type_complexity)]
    pub(super) fn page(
        &self,
        cache: i32,
        request: &ScanRequest<'_>,
    ) -> Result<(Vec<(Vec<u8>, Vec<u8>)>, Option<Vec<u8>>), Refusal> {
        let key = self.spec(cache)?.key;
        if request.prefix.is_some() && key != KeyType::Bytes {
            return Err(Refusal::Invalid);
        }
        let encode = |form: Option<&[u8]>| form.map(|f| key.encode(f)).transpose();
        let (from, to) = (encode(request.from)?, encode(request.to)?);
        let all = match self.entries.get(&self.place(cache as usize)) {
            Some(all) => all,
            None => return Ok((Vec::new(), None)),
        };
        // A cursor is the last key of the page before.
        let after = request.cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let ahead: Box<dyn Iterator<Item = _>> = if request.reverse {
            Box::new(all.range::<[u8], _>((Bound::Unbounded, after)).rev())
        } else {
            Box::new(all.range::<[u8], _>((after, Bound::Unbounded)))
        };
        let inside = |k: &Vec<u8>| {
            from.as_ref().map_or(true, |from| k >= from)
                && to.as_ref().map_or(true, |to| k < to)
                && request.prefix.map_or(true, |p| k.starts_with(p))
        };
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0, None);
        let limit = request.limit as usize;
        for (k, v) in ahead {
            if !inside(k) {
                continue;
            }
            let form = key.decode(k);
            bytes += form.len() + v.len();
            let full = entries.len() == limit || bytes > MAX_SCAN_BYTES;
            if full && !entries.is_empty() {
                return Ok((entries, last));
            }
            last = Some(k.clone());
            entries.push((form, v.clone()));
        }
        Ok((entries, None))
    }

    pub(super) fn savepoint(&mut self, op: i32) -> Result<(), Refusal> {
        match op {
            SAVEPOINT_BEGIN if self.savepoints.len() == MAX_SAVEPOINTS => Err(Refusal::Limit),
            SAVEPOINT_BEGIN => {
                self.savepoints.push(self.writes.len());
                Ok(())
            }
            SAVEPOINT_RELEASE => self.savepoints.pop().map(drop).ok_or(Refusal::Invalid),
            SAVEPOINT_ROLLBACK => {
                let mark = self.savepoints.pop().ok_or(Refusal::Invalid)?;
                self.undo(mark);
                Ok(())
            }
            SAVEPOINT_ROLLBACK_RECORD => {
                self.rollback_record();
                Ok(())
            }
            _ => Err(Refusal::Invalid),
        }
    }

    pub(super) fn rollback_record(&mut self) {
        self.undo(0);
        self.savepoints.clear();
    }

    /// Undoes the writes behind the first `mark`.
    fn undo(&mut self, mark: usize) {
        while self.writes.len() > mark {
            if let Some(w) = self.writes.pop() {
                let entries = self.entries.entry(w.place).or_default();
                match w.old {
                    Some(v) => entries.insert(w.key, v),
                    None => entries.remove(&w.key),
                };
            }
        }
    }
}
