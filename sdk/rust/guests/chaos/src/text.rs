//! The text that inputs and caches hold.

use std::fmt::Write as _;

use sliphost::prelude::*;

/// What the handlers need of an input's value.
pub struct Input<'a> {
    pub id: i64,
    pub n: i64,
    pub mark: &'a str,
}

impl<'a> Input<'a> {
    /// Reads `ID N MARK ...`.
    pub fn parse(rec: &Record<'a>) -> Result<Self> {
        let mut fields = rec.text()?.splitn(4, ' ');
        let (Some(id), Some(n), Some(mark)) = (fields.next(), fields.next(), fields.next()) else {
            bail!("the value is no \"ID N MARK ...\"");
        };
        Ok(Input {
            id: id.parse()?,
            n: n.parse()?,
            mark,
        })
    }
}

/// Writes numbers with spaces between them.
pub fn line(numbers: &[i64]) -> String {
    let mut text = String::new();
    for (i, n) in numbers.iter().enumerate() {
        let space = if i > 0 { " " } else { "" };
        let _ = write!(text, "{space}{n}"); // a String takes everything
    }
    text
}

/// Counts id into the `COUNT SUM` under key and returns both.
pub fn add(call: &mut Call, cache: &Cache, key: Option<&[u8]>, id: i64) -> Result<(i64, i64)> {
    let (mut count, mut sum) = (0, 0);
    if let Some(old) = cache.get(call, key)? {
        let Some((first, second)) = std::str::from_utf8(&old)?.split_once(' ') else {
            bail!("the cache holds no \"COUNT SUM\"");
        };
        count = first.parse()?;
        sum = second.parse()?;
    }
    count += 1;
    sum += id;
    cache.put(call, key, &line(&[count, sum]))?;
    Ok((count, sum))
}
