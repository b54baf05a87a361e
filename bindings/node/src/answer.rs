//! How work leaves the event loop and how it fails. In: a closure. Out: a promise of a value or of
//! a [`Failure`]. Knows nothing of faces.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fusiform::{Error, ErrorKind};
use napi::bindgen_prelude::{AsyncTask, Either, Env, Task, ToNapiValue, TypeName};
use napi_derive::napi;

/// An error as `lib/errors.js` makes an exception of it.
#[napi(object)]
pub struct Failure {
    /// Stable name of the kind; no answer that is a value has this property.
    pub failed_kind: String,
    /// Stable number of the kind.
    pub failed_code: u32,
    /// For people.
    pub message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::of(error.kind(), error.to_string())
    }
}

impl Failure {
    pub(crate) fn of(kind: ErrorKind, message: String) -> Failure {
        Failure {
            failed_kind: kind.name().into(),
            failed_code: kind.code().into(),
            message,
        }
    }

    pub(crate) fn bad_option(message: String) -> Failure {
        Failure::of(ErrorKind::BadOption, message)
    }

    pub(crate) fn closed(class: &str) -> Failure {
        Failure::of(ErrorKind::BadHandle, format!("the {class} is closed"))
    }
}

/// The library's result as ours.
pub(crate) fn read<T, E: Into<Error>>(done: Result<T, E>) -> Result<T, Failure> {
    Ok(done.map_err(Into::into)?)
}

/// What every function gives.
pub(crate) type Answer<T> = Either<T, Failure>;

/// A promise of an [`Answer`].
pub(crate) type Promised<T> = AsyncTask<Job<T>>;

/// Does the work here and now. A panic is a failure too: it must not end the process.
pub(crate) fn answer<T>(work: impl FnOnce() -> Result<T, Failure>) -> Answer<T> {
    match caught(work) {
        Ok(value) => Either::A(value),
        Err(failure) => Either::B(failure),
    }
}

/// Does the work on a thread of libuv.
pub(crate) fn promise<T, F>(work: F) -> Promised<T>
where
    T: Send + 'static + ToNapiValue + TypeName,
    F: FnOnce() -> Result<T, Failure> + Send + 'static,
{
    AsyncTask::new(Job(Some(Box::new(work))))
}

fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "a panic without words".into());
        Err(Failure::of(
            ErrorKind::Internal,
            format!("a defect of this library; please report it: {text}"),
        ))
    })
}

type Work<T> = Box<dyn FnOnce() -> Result<T, Failure> + Send>;

/// Work for a thread of libuv; done once.
pub struct Job<T>(Option<Work<T>>);

impl<T: Send + 'static + ToNapiValue + TypeName> Task for Job<T> {
    type Output = Result<T, Failure>;
    type JsValue = Answer<T>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let work = self.0.take();
        let twice = || Failure::of(ErrorKind::Internal, "the same work twice".into());
        Ok(work.ok_or_else(twice).and_then(caught))
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(match output {
            Ok(value) => Either::A(value),
            Err(failure) => Either::B(failure),
        })
    }
}
