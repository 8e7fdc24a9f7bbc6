//! `download_storage` and `download_rule`: where files live, and what the app calls it.

use nginx_download_core::path::{Directory, RelativePath};
use nginx_download_core::rule::Rule;
use nginx_download_core::url::Origin;

use super::parameter::Parameter;
use crate::nginx::{Conf, ConfError, Symlinks};

/// A named place where files live.
pub(crate) struct Storage {
    pub(crate) name: String,
    /// Its place among all storages.
    pub(crate) index: usize,
    pub(crate) place: Where,
}

/// The place.
pub(crate) enum Where {
    /// A directory, without a slash at its end.
    Root { path: Vec<u8>, symlinks: Symlinks },
    /// A prefix of internal URIs.
    Location(Directory),
    /// Another server, and the prefix of the location that fetches from it.
    Url { origin: Origin, via: Directory },
}

/// `NAME root=DIRECTORY [symlinks=off|on]`, `NAME location=/PREFIX/` or `NAME url=URL via=/PREFIX/`
pub(super) fn parse(conf: &Conf<'_>) -> Result<Storage, ConfError> {
    let arguments = conf.arguments();
    let (name, parameters) = arguments.split_first().ok_or("lacks a name")?;
    let name = parse_name(name)?;

    let (mut root, mut location, mut symlinks) = (None, None, None);
    let (mut url, mut via) = (None, None);
    for parameter in parameters.iter().copied().map(Parameter::new) {
        let slot = match parameter.name {
            b"root=" => &mut root,
            b"location=" => &mut location,
            b"symlinks=" => &mut symlinks,
            b"url=" => &mut url,
            b"via=" => &mut via,
            _ => {
                return Err(parameter.unexpected("root=, symlinks=, location=, url= or via="));
            }
        };
        if parameter.value.is_empty() {
            return Err(parameter.wrong("is empty"));
        }
        parameter.once(slot, parameter.value)?;
    }

    let place = match (root, location, url) {
        (Some(root), None, None) => {
            let symlinks = match symlinks.take() {
                None | Some(b"off") => Symlinks::Refused,
                Some(b"on") => Symlinks::WithinRoot,
                Some(_) => return Err("symlinks= must be \"on\" or \"off\"".into()),
            };
            Where::Root { path: parse_root(conf, root)?, symlinks }
        }
        (None, Some(location), None) => {
            Where::Location(not_everything("location=", directory("location=", location)?)?)
        }
        (None, None, Some(url)) => {
            let via = via.take().ok_or("url= needs via=, a location that fetches $download_url")?;
            let origin = Origin::parse(url)
                .map_err(|error| format!("url=\"{}\": {error}", url.escape_ascii()))?;
            Where::Url { origin, via: not_everything("via=", directory("via=", via)?)? }
        }
        (None, None, None) => {
            return Err("needs root=DIRECTORY, location=/PREFIX/ or url=URL".into());
        }
        _ => return Err("takes one of root=, location= and url=".into()),
    };
    if symlinks.is_some() {
        return Err("symlinks= goes with root=".into());
    }
    if via.is_some() {
        return Err("via= goes with url=".into());
    }
    Ok(Storage { name, index: 0, place })
}

/// Names stand in grants and before the colon of rules.
fn parse_name(name: &[u8]) -> Result<String, ConfError> {
    let allowed = |c: &u8| c.is_ascii_alphanumeric() || b"_-.".contains(c);
    match str::from_utf8(name) {
        Ok(text) if !name.is_empty() && name.iter().all(allowed) => Ok(text.to_owned()),
        _ => Err(format!(
            "\"{}\" is no name: letters, digits, \"_\", \"-\" and \".\" are",
            name.escape_ascii()
        )
        .into()),
    }
}

/// A directory that exists, absolute, without a slash at its end.
fn parse_root(conf: &Conf<'_>, root: &[u8]) -> Result<Vec<u8>, ConfError> {
    existing_directory(&not_everything("root=", directory("root=", conf.full_path(root)?)?)?)
}

/// `/` would leave nothing that is outside.
fn not_everything(what: &str, directory: Directory) -> Result<Directory, ConfError> {
    if directory.as_bytes() == b"/" {
        return Err(format!("{what}\"/\" would lay open everything: name a directory").into());
    }
    Ok(directory)
}

/// The path of a directory that must be there, without a slash at its end.
pub(super) fn existing_directory(directory: &Directory) -> Result<Vec<u8>, ConfError> {
    use std::os::unix::ffi::OsStrExt;
    let path = directory.as_bytes();
    let shown = path.escape_ascii();
    match std::fs::metadata(std::ffi::OsStr::from_bytes(path)) {
        Ok(found) if found.is_dir() => Ok(path.strip_suffix(b"/").unwrap_or(path).to_vec()),
        Ok(_) => Err(format!("\"{shown}\" is not a directory").into()),
        Err(error) => Err(format!(
            "the directory \"{shown}\" cannot be used: {error}; create it or correct the path"
        )
        .into()),
    }
}

pub(super) fn directory(what: &str, path: &[u8]) -> Result<Directory, ConfError> {
    Directory::parse(path)
        .map_err(|error| ConfError(format!("{what}\"{}\": {error}", path.escape_ascii())))
}

/// `PREFIX STORAGE[:SUBDIR]`
pub(super) fn parse_rule(conf: &Conf<'_>) -> Result<Rule<String>, ConfError> {
    let prefix = directory("", conf.argument(0))?;
    let mut halves = conf.argument(1).splitn(2, |&c| c == b':');
    let storage = parse_name(halves.next().unwrap_or_default())?;
    let subdir = halves.next().map(|subdir| {
        RelativePath::parse(subdir.strip_suffix(b"/").unwrap_or(subdir))
            .map_err(|error| format!("\"{}\": {error}", subdir.escape_ascii()))
    });
    Ok(Rule { prefix, storage, subdir: subdir.transpose()? })
}
