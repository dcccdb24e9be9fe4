//! Why a record failed.

use std::borrow::Cow;
use std::fmt;

use crate::wire::SyntaxError;
use crate::zz_abi::{
    CODE_DECODE, CODE_DROP, CODE_FAILED, CODE_LIMIT, CODE_RETRY, CODE_UNBOUND, RESULT_INVALID,
    RESULT_LIMIT, RESULT_UNBOUND,
};

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a handler failed on a record. Any [`std::error::Error`] becomes one
/// with `?`: the handler's policy in the manifest then acts.
///
/// It does not implement [`std::error::Error`] itself, which is what makes
/// that conversion possible.
pub struct Error {
    pub(crate) code: u64,
    pub(crate) retry_after_ms: i64,
    pub(crate) text: Cow<'static, str>,
}

impl Error {
    pub(crate) fn coded(code: u64, text: impl Into<Cow<'static, str>>) -> Self {
        Error {
            code,
            retry_after_ms: 0,
            text: text.into(),
        }
    }

    /// The record failed: the handler's `on_error` policy acts. See also
    /// [`bail!`](crate::bail).
    pub fn failed(why: impl Into<Cow<'static, str>>) -> Self {
        Error::coded(CODE_FAILED, why)
    }

    /// Skip this record whatever the policy; it is counted with `why` as the
    /// reason.
    pub fn drop(why: impl Into<Cow<'static, str>>) -> Self {
        Error::coded(CODE_DROP, why)
    }

    /// Handle this record again after at least `after_ms` milliseconds; until
    /// then its partition waits. Attempts count against the handler's retry
    /// policy; when they are spent the policy acts, as for any other error.
    pub fn retry(after_ms: u64, why: impl Into<Cow<'static, str>>) -> Self {
        Error {
            code: CODE_RETRY,
            retry_after_ms: i64::try_from(after_ms).unwrap_or(i64::MAX),
            text: why.into(),
        }
    }

    /// A value is not what the handler needs; the policy acts, and the host
    /// counts it as such.
    pub fn decode(why: impl Into<Cow<'static, str>>) -> Self {
        Error::coded(CODE_DECODE, why)
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.text
    }

    /// The same error with `context` and a colon in front of its text.
    pub fn context(mut self, context: &str) -> Self {
        self.text = Cow::Owned(join(&[context, ": ", &self.text]));
        self
    }

    /// What a host call's negative result means.
    pub(crate) fn host(what: &str, name: &str, result: i64) -> Self {
        let (code, why) = match result {
            RESULT_UNBOUND => (
                CODE_UNBOUND,
                "is not bound in the manifest or not allowed here",
            ),
            RESULT_INVALID if what == "cache" => (CODE_FAILED, WRONG_KEY),
            RESULT_LIMIT => (CODE_LIMIT, "a limit of this record was reached"),
            _ => (CODE_FAILED, "the host refused the request"),
        };
        Error::coded(code, join(&[what, " \"", name, "\": ", why]))
    }
}

/// Why the host refuses what a handler does with a cache. The guest is not told
/// what the manifest declares; the host adds that to the record's error.
const WRONG_KEY: &str = "the host refused the request: the manifest declares another type of keys than the handler uses \
    (key = of its cache), \
    or handlers may not write to it (kind = global)";

/// The texts one after the other. [`format!`] would do, and bring its machinery
/// into every module.
#[inline(never)]
pub(crate) fn join(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
    }
    text
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(e: E) -> Self {
        let any: &(dyn std::error::Error + 'static) = &e;
        let code = if any.is::<SyntaxError>() {
            CODE_DECODE
        } else {
            CODE_FAILED
        };
        let mut text = e.to_string();
        let mut source = e.source();
        while let Some(inner) = source {
            let inner_text = inner.to_string();
            // Many errors repeat their source in their own text.
            if !text.ends_with(&inner_text) {
                text.push_str(": ");
                text.push_str(&inner_text);
            }
            source = inner.source();
        }
        Error::coded(code, text)
    }
}

/// Returns from the handler with [`Error::failed`] and a formatted text.
///
/// ```
/// # use sliphost::prelude::*;
/// fn positive(n: i64) -> Result<i64> {
///     if n < 0 {
///         bail!("negative amount: {}", n);
///     }
///     Ok(n)
/// }
/// # assert_eq!(positive(-3).unwrap_err().message(), "negative amount: -3");
/// ```
#[macro_export]
macro_rules! bail {
    ($($arg:tt)+) => {
        return ::core::result::Result::Err($crate::Error::failed(::std::format!($($arg)+)))
    };
}
