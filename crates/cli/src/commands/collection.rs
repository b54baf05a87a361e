//! Whose people a command is about. In: a vault, a number. Out: the collection.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fusiform_gallery::{Gallery, Kind, Service};

use crate::context::Context;
use crate::secret_file;

/// The collection that the flags name, else the only one.
pub(super) fn named(
    context: &Context,
    gallery: &Gallery,
    key_file: Option<&Path>,
    number: Option<i64>,
) -> Result<Service> {
    if let Some(file) = key_file {
        let key = secret_file::api_key(&context.expanded(file)?)?;
        let of_key = gallery.service(Kind::Recognition, &key);
        return of_key.with_context(|| {
            format!(
                "{}: this key opens no collection of people; `fusiform keys list` shows what there \
                 is, and --collection NUMBER takes one without its key",
                file.display()
            )
        });
    }
    let chosen = chosen(gallery, number)?;
    chosen
        .context("the vault has no collection of people yet; `fusiform key recognition` makes one")
}

/// The collection of people with this number, else the only one; `None` if there is none yet.
pub(super) fn chosen(gallery: &Gallery, number: Option<i64>) -> Result<Option<Service>> {
    let services = gallery.services().into_iter().map(|(service, _)| service);
    let all: Vec<Service> = services.filter(|s| s.kind == Kind::Recognition).collect();
    let numbers: Vec<String> = all.iter().map(|s| s.id.to_string()).collect();
    let numbers = match &numbers[..] {
        [] => "none yet".into(),
        numbers => numbers.join(", "),
    };
    match (number, &all[..]) {
        (Some(number), _) => {
            let found = all.iter().find(|s| s.id == number).copied();
            let missing =
                || format!("there is no collection {number} of people; there are: {numbers}");
            found.with_context(missing).map(Some)
        }
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(*only)),
        (None, _) => bail!(
            "there are several collections of people: {numbers}; --key-file FILE or --collection \
             NUMBER says which (`fusiform keys list` shows them)"
        ),
    }
}
