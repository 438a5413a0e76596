//! Failures on the wire, and behind the errors of the command.

use jsonrpsee::core::client::Error as RpcError;
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};

use crate::error::Error;
use crate::model::failure::{ErrorKind, Failure};

/// The code of every call that failed: the kind tells more.
const FAILED: i32 = 1;

impl From<Failure> for ErrorObjectOwned {
    fn from(failure: Failure) -> Self {
        ErrorObjectOwned::owned(FAILED, failure.to_string(), Some(failure))
    }
}

/// What a failed call says.
pub(super) fn of_call(error: &RpcError) -> Failure {
    match error {
        RpcError::Call(error) => of_answer(error),
        RpcError::RequestTimeout => Failure::new(ErrorKind::NoDaemon, "the daemon did not answer")
            .hint("look into its log, or stop it with `teams daemon stop`"),
        _ => Failure::new(ErrorKind::NoDaemon, format!("the daemon ended while it was asked ({error})"))
            .hint("try again, it is started anew (`teams daemon status` shows its log)"),
    }
}

fn of_answer(error: &ErrorObject<'_>) -> Failure {
    let known = error.data().and_then(|data| serde_json::from_str(data.get()).ok());
    known.unwrap_or_else(|| {
        Failure::new(ErrorKind::BadRequest, format!("the daemon does not understand ({})", error.message()))
            .hint("is it of another version?")
    })
}

/// The answer to a call whose parameters are not what they should be.
pub(super) fn bad_params(method: &str, what: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::BadRequest, format!("the parameters of {method} cannot be read: {what}"))
}

/// The failure behind an error, with what was said around it; an error that has none is of the kind `failed`.
pub(crate) fn failure_of(error: &anyhow::Error) -> Failure {
    let known = error.downcast_ref::<Failure>().cloned();
    let known = known.or_else(|| error.downcast_ref::<Error>().map(Failure::from));
    let Some(known) = known else { return Failure::new(ErrorKind::Failed, format!("{error:#}")) };
    let outer = error.to_string();
    if outer == known.to_string() {
        return known;
    }
    Failure { message: format!("{outer}: {}", known.message), ..known }
}

/// The same as an error of the library.
pub(crate) fn error_of(error: anyhow::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => failure_of(&error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_around_a_failure_stays() {
        let failure = Failure::new(ErrorKind::NoTeam, "there is none").hint("make one");
        assert_eq!(failure_of(&anyhow::Error::new(failure.clone())), failure);
        let around = failure_of(&anyhow::Error::new(failure).context("cannot do it"));
        assert_eq!(around.to_string(), "cannot do it: there is none; make one");
        assert_eq!((around.kind, around.hint.as_deref()), (ErrorKind::NoTeam, Some("make one")));
        assert_eq!(failure_of(&anyhow::anyhow!("no").context("never")).to_string(), "never: no");
    }
}
