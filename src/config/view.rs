//! `download`: how a location finds its file.

use nginx_download_core::counters;
use nginx_download_core::path::Directory;

use super::storage::{directory, existing_directory};
use crate::nginx::{Conf, ConfError, LocationKind, Template};

/// How a location finds its file.
#[derive(Clone)]
pub(crate) enum View {
    /// The app says which.
    Object(LocalUri),
    /// A name below a storage, without asking.
    Storage { storage: String, names: Names },
    /// A path below a literal root, without asking.
    Path { root: Directory, template: Template },
    /// A URL below a storage's `url=`.
    Http(Template),
    /// What another location makes.
    Virtual(LocalUri),
    /// Not at all: nginx does what it does without the module.
    Off,
}

/// A location that is asked, or that makes the file.
#[derive(Clone)]
pub(crate) struct LocalUri {
    /// As it stands in nginx.conf.
    pub(crate) text: Vec<u8>,
    pub(crate) path: Template,
    /// What follows a question mark in nginx.conf. One that comes with a variable's value is
    /// part of the path: what a client writes cannot turn into arguments.
    pub(crate) args: Option<Template>,
}

/// Where the name of a file below a storage comes from.
#[derive(Clone)]
pub(crate) enum Names {
    /// Spelt out.
    Template(Template),
    /// What follows the location's prefix in the URI.
    UriBelow(Vec<u8>),
}

impl View {
    /// What it is called, if it is one.
    pub(crate) fn name(&self) -> Option<counters::View> {
        match self {
            Self::Object(_) => Some(counters::View::Object),
            Self::Storage { .. } => Some(counters::View::Storage),
            Self::Path { .. } => Some(counters::View::Path),
            Self::Http(_) => Some(counters::View::Http),
            Self::Virtual(_) => Some(counters::View::Virtual),
            Self::Off => None,
        }
    }
}

/// `object URI`, `storage NAME [PATH]`, `path ABSOLUTE-PATH`, `http URL`, `virtual URI` or `off`
pub(super) fn parse(conf: &mut Conf<'_>) -> Result<View, ConfError> {
    match conf.arguments()[..] {
        [b"object", uri] => Ok(View::Object(parse_uri(conf, uri)?)),
        [b"virtual", uri] => Ok(View::Virtual(parse_uri(conf, uri)?)),
        [b"http", url] => parse_http(conf, url),
        [b"storage", name] => Ok(View::Storage {
            storage: String::from_utf8_lossy(name).into_owned(),
            names: Names::UriBelow(location_prefix(conf)?),
        }),
        [b"storage", name, path] => Ok(View::Storage {
            storage: String::from_utf8_lossy(name).into_owned(),
            names: Names::Template(conf.template(path)?),
        }),
        [b"path", path] => parse_path(conf, path),
        [b"off"] => Ok(View::Off),
        [view @ (b"object" | b"storage" | b"path" | b"http" | b"virtual" | b"off"), ..] => {
            Err(format!("wrong number of arguments for the view \"{}\"", view.escape_ascii())
                .into())
        }
        [view, ..] => Err(format!(
            "unknown view \"{}\": object, storage, path, http, virtual or off is expected",
            view.escape_ascii()
        )
        .into()),
        [] => Err("lacks a view".into()),
    }
}

pub(super) fn parse_uri(conf: &mut Conf<'_>, uri: &[u8]) -> Result<LocalUri, ConfError> {
    if !matches!(uri.first(), Some(b'/' | b'$')) {
        return Err(format!(
            "\"{}\" is no URI of a location: it must begin with a slash",
            uri.escape_ascii()
        )
        .into());
    }
    let mut halves = uri.splitn(2, |&c| c == b'?');
    let path = conf.template(halves.next().unwrap_or_default())?;
    let args = halves.next().map(|args| conf.template(args)).transpose()?;
    Ok(LocalUri { text: uri.to_vec(), path, args })
}

fn parse_http(conf: &mut Conf<'_>, url: &[u8]) -> Result<View, ConfError> {
    let absolute = [&b"http://"[..], b"https://", b"$"].iter().any(|s| url.starts_with(s));
    if !absolute {
        return Err(format!(
            "\"{}\" is no URL: it must begin with http:// or https://",
            url.escape_ascii()
        )
        .into());
    }
    Ok(View::Http(conf.template(url)?))
}

fn parse_path(conf: &mut Conf<'_>, path: &[u8]) -> Result<View, ConfError> {
    if path.first() != Some(&b'/') {
        return Err(format!(
            "\"{}\" must begin with a literal directory, such as /srv/files/",
            path.escape_ascii()
        )
        .into());
    }
    if path.split(|&c| c == b'/').any(|segment| segment == b"..") {
        return Err(format!("\"{}\" contains \"..\"", path.escape_ascii()).into());
    }
    let literal = path.split(|&c| c == b'$').next().unwrap_or_default();
    let slash = literal.iter().rposition(|&c| c == b'/').unwrap_or(0);
    let root = directory("", literal.get(..=slash).unwrap_or_default())?;
    if root.as_bytes() == b"/" {
        return Err(format!(
            "\"{}\" would lay open the whole file system: put a directory, with a slash at its \
             end, before the first variable",
            path.escape_ascii()
        )
        .into());
    }
    existing_directory(&root)?;
    Ok(View::Path { root, template: conf.template(path)? })
}

/// What a URI in this location begins with.
fn location_prefix(conf: &Conf<'_>) -> Result<Vec<u8>, ConfError> {
    let location = conf.location();
    match location.kind() {
        LocationKind::Prefix => Ok(location.name().to_vec()),
        LocationKind::Exact | LocationKind::Regex | LocationKind::Named => {
            Err("needs a PATH here: only a prefix location has a rest of the URI".into())
        }
        LocationKind::Block => Err("needs a PATH inside an if block".into()),
    }
}
