//! Where a file reference leads: through storages and rules to a place on disk, an internal
//! location, another server; or to what came along, bytes or a descriptor. Nothing is opened here.

use std::borrow::Borrow;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nginx_download_core::failure::Failure;
use nginx_download_core::grant::File;
use nginx_download_core::path::{AbsolutePath, Directory, PathError, RelativePath};
use nginx_download_core::reference::{self, Accel, Convention, Part, ReferenceError};
use nginx_download_core::rule;
use nginx_download_core::url::{self, UrlError};

use crate::config::{Storage, Where};
use crate::nginx::{NoDescriptor, Symlinks};
use crate::refusal::Refusal;
use crate::{Request, explain};

/// A file on disk, below a root. `P` is its path, owned or borrowed.
pub(crate) struct Disk<'r, P = RelativePath> {
    /// The storage that it is in, if any.
    pub(crate) storage: Option<&'r Storage>,
    /// Without a slash at its end.
    pub(crate) root: &'r [u8],
    pub(crate) path: P,
    pub(crate) symlinks: Symlinks,
    /// The name goes once the file is open.
    pub(crate) temporary: bool,
}

impl<P: Borrow<RelativePath>> fmt::Display for Disk<'_, P> {
    /// As log lines call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.borrow().as_bytes().escape_ascii();
        let root = self.root.escape_ascii();
        match self.storage {
            Some(Storage { name, .. }) => {
                write!(f, "\"{path}\" in storage \"{name}\" ({root})")
            }
            None => write!(f, "\"{path}\" in {root}"),
        }
    }
}

/// A file, found but not opened.
pub(crate) enum Target<'r> {
    /// On disk, below a root.
    Disk(Disk<'r>),
    /// Behind a location of the same server.
    Location { storage: Option<&'r Storage>, uri: Vec<u8>, args: Vec<u8> },
    /// On another server, which the location `via` fetches from.
    Remote { storage: &'r Storage, url: Vec<u8>, via: Vec<u8> },
    /// Bytes that came with the grant.
    Memory(&'r [u8]),
    /// Open already, by the app.
    Passed(Rc<OwnedFd>),
}

/// Hands over the descriptor that came with the app's response.
pub(crate) type Passed<'p> = &'p dyn Fn() -> Result<OwnedFd, NoDescriptor>;

/// The target of a grant.
pub(crate) fn locate<'r>(
    request: Request<'r>,
    file: &File,
    passed: Passed<'_>,
) -> Result<Target<'r>, Refusal> {
    match file {
        File::Storage { storage: name, path } => {
            in_storage(storage(request, name.as_bytes())?, path.as_bytes(), Failure::OutsideRoot)
        }
        File::Path(path) => by_rule(request, path.as_bytes().to_vec()),
        File::Location(uri) => in_declared_location(&request.main_conf().storages, uri.as_bytes()),
        File::Url(url) => in_declared_origin(request, url.as_bytes(), Failure::NoRule),
        File::Content(bytes) | File::Base64(bytes) => {
            Ok(Target::Memory(request.pool().copy(bytes)?))
        }
        File::Descriptor(index) => by_descriptor(*index, passed),
    }
}

/// The descriptor that came with the app's response. There is one at most.
fn by_descriptor(index: u32, passed: Passed<'_>) -> Result<Target<'static>, Refusal> {
    if index != 0 {
        let why = format!("there is no descriptor {index}: a response comes with one, which is 0");
        return Err(Refusal::new(Failure::NoDescriptor, why));
    }
    match passed() {
        Ok(descriptor) => Ok(Target::Passed(Rc::new(descriptor))),
        Err(why @ (NoDescriptor::None | NoDescriptor::Taken)) => {
            Err(Refusal::new(Failure::NoDescriptor, why.to_string()))
        }
        Err(why @ NoDescriptor::NotReceiving) => Err(Refusal::new(
            Failure::NoDescriptor,
            format!("{why}: is there download_descriptors in the upstream of the app?"),
        )),
        Err(why) => Err(Refusal::new(Failure::BadDescriptor, why.to_string())),
    }
}

/// The storage of that name.
pub(crate) fn storage<'r>(request: Request<'r>, name: &[u8]) -> Result<&'r Storage, Refusal> {
    request.main_conf().storage(name).ok_or_else(|| {
        let name = name.escape_ascii();
        Refusal::new(
            Failure::UnknownStorage,
            format!("the storage \"{name}\" is declared by no download_storage"),
        )
    })
}

/// A path below a storage. `failure` is what a path that cannot be below it amounts to.
pub(crate) fn in_storage<'r>(
    storage: &'r Storage,
    path: &[u8],
    failure: Failure,
) -> Result<Target<'r>, Refusal> {
    let path = RelativePath::parse(path).map_err(|error| bad_path(failure, path, &error))?;
    Ok(placed(storage, path))
}

fn placed(storage: &Storage, path: RelativePath) -> Target<'_> {
    match &storage.place {
        Where::Root { path: root, symlinks } => Target::Disk(Disk {
            storage: Some(storage),
            root,
            path,
            symlinks: *symlinks,
            temporary: false,
        }),
        Where::Location(prefix) => {
            let uri = [prefix.as_bytes(), path.as_bytes()].concat();
            Target::Location { storage: Some(storage), uri, args: Vec::new() }
        }
        Where::Url { origin, via } => Target::Remote {
            storage,
            url: origin.url_of(&path).into_bytes(),
            via: [via.as_bytes(), path.as_bytes()].concat(),
        },
    }
}

/// The part of the request's URI below the prefix of the location.
pub(crate) fn below<'r>(uri: &'r [u8], prefix: &[u8]) -> Result<&'r [u8], Refusal> {
    let rest = uri.strip_prefix(prefix).unwrap_or_default();
    // `location /files` also takes /files-old/x, which is no file of /files.
    let rest = if prefix.last() == Some(&b'/') { Some(rest) } else { rest.strip_prefix(b"/") };
    rest.ok_or_else(|| {
        let (uri, prefix) = (uri.escape_ascii(), prefix.escape_ascii());
        Refusal::new(Failure::BadPath, format!("\"{uri}\" is not below \"{prefix}/\""))
    })
}

/// An absolute path below the root of `download path`.
pub(crate) fn in_root<'r>(root: &'r Directory, path: &[u8]) -> Result<Target<'r>, Refusal> {
    let bad = |error: &PathError| bad_path(Failure::BadPath, path, error);
    let absolute = AbsolutePath::parse(path).map_err(|error| bad(&error))?;
    let rest = root.strip(&absolute).ok_or_else(|| bad(&PathError::DotDot))?;
    let root = root.as_bytes();
    Ok(Target::Disk(Disk {
        storage: None,
        path: RelativePath::parse(rest).map_err(|error| bad(&error))?,
        root: root.strip_suffix(b"/").unwrap_or(root),
        symlinks: Symlinks::Refused,
        temporary: false,
    }))
}

/// A path that the app knows, by the first `download_rule` that covers it.
fn by_rule<'r>(request: Request<'r>, path: Vec<u8>) -> Result<Target<'r>, Refusal> {
    explain::held_against_rules(request, &path);
    match rule::first_match(request.loc_conf().rules(), absolute(path)?) {
        Ok((rule, rest)) => Ok(placed(storage(request, rule.storage.as_bytes())?, rest)),
        Err(path) => {
            let path = path.as_bytes().escape_ascii();
            Err(Refusal::new(Failure::NoRule, format!("no download_rule covers \"{path}\"")))
        }
    }
}

/// An internal URI, which must be below the location of a declared storage. Its path is taken
/// literally; arguments follow the first question mark, as in X-Accel-Redirect.
fn in_declared_location<'r>(storages: &'r [Storage], uri: &[u8]) -> Result<Target<'r>, Refusal> {
    let mut halves = uri.splitn(2, |&c| c == b'?');
    let path = halves.next().unwrap_or_default();
    let args = halves.next().unwrap_or_default();
    let path =
        AbsolutePath::parse(path).map_err(|error| bad_path(Failure::OutsideRoot, uri, &error))?;
    let declared = storages.iter().find(|storage| match &storage.place {
        Where::Location(prefix) => prefix.strip(&path).is_some(),
        Where::Root { .. } | Where::Url { .. } => false,
    });
    let storage = declared.ok_or_else(|| {
        let uri = uri.escape_ascii();
        Refusal::new(
            Failure::NoRule,
            format!("the grant's location \"{uri}\" is below no download_storage location="),
        )
    })?;
    Ok(Target::Location {
        storage: Some(storage),
        uri: path.as_bytes().to_vec(),
        args: args.to_vec(),
    })
}

/// A URL, which must be below the base of a declared storage.
pub(crate) fn in_declared_origin<'r>(
    request: Request<'r>,
    url: &[u8],
    failure: Failure,
) -> Result<Target<'r>, Refusal> {
    let mut why = UrlError::Outside;
    for storage in &request.main_conf().storages {
        let Where::Url { origin, via } = &storage.place else { continue };
        match origin.below(url) {
            Ok(_) => {
                let name = url::file_name(url);
                let via = [via.as_bytes(), &name].concat();
                return Ok(Target::Remote { storage, url: url.to_vec(), via });
            }
            Err(UrlError::Outside) => {}
            Err(error) => why = error,
        }
    }
    Err(Refusal::new(failure, format!("\"{}\": {why}", url.escape_ascii())))
}

/// What a response header field of an app refers to.
pub(crate) enum Reference<'r> {
    /// A file.
    Target(Target<'r>),
    /// Parts of files.
    Parts(Vec<(Disk<'r>, Part)>),
    /// A named location.
    Named(Vec<u8>),
}

impl Reference<'_> {
    /// The value of `$download_source`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Target(Target::Location { storage: None, .. }) | Self::Named(_) => "location",
            Self::Target(Target::Passed(_)) => "descriptor",
            _ => "path",
        }
    }
}

/// Reads a header field of an app's response, and finds what it refers to.
pub(crate) fn refer<'r>(
    request: Request<'r>,
    convention: Convention,
    value: &[u8],
    encoded: bool,
    passed: Passed<'_>,
) -> Result<Reference<'r>, Refusal> {
    let unreadable = |error| unreadable(value, error);
    let sendfile = || by_rule(request, reference::sendfile(value, encoded).map_err(unreadable)?);
    let target = match convention {
        Convention::AccelRedirect => {
            match reference::accel_redirect(value, encoded).map_err(unreadable)? {
                Accel::Named(name) => return Ok(Reference::Named(name)),
                Accel::Uri { path, args } => by_uri(request, path, args)?,
            }
        }
        Convention::Sendfile => sendfile()?,
        Convention::SendfileTemporary => match sendfile()? {
            Target::Disk(disk) => Target::Disk(Disk { temporary: true, ..disk }),
            target => target,
        },
        Convention::Sendfile2 => {
            let parts = reference::sendfile2(value, encoded).map_err(unreadable)?;
            let parts = parts.into_iter().map(|part| on_disk(request, part));
            return Ok(Reference::Parts(parts.collect::<Result<_, _>>()?));
        }
        Convention::SendfileFd => {
            by_descriptor(reference::sendfile_fd(value).map_err(unreadable)?, passed)?
        }
    };
    Ok(Reference::Target(target))
}

/// A header field of an app's response that cannot be made sense of.
fn unreadable(value: &[u8], error: ReferenceError) -> Refusal {
    let failure = match error {
        ReferenceError::Number => Failure::NoDescriptor,
        ReferenceError::Empty | ReferenceError::Parts => Failure::OutsideRoot,
    };
    Refusal::new(failure, format!("\"{}\": {error}", value.escape_ascii()))
}

fn on_disk<'r>(request: Request<'r>, mut part: Part) -> Result<(Disk<'r>, Part), Refusal> {
    match by_rule(request, std::mem::take(&mut part.path))? {
        Target::Disk(disk) => Ok((disk, part)),
        _ => Err(Refusal::new(Failure::Unsupported, "parts of files must be in storages by root=")),
    }
}

/// An internal URI: by a rule, if one covers it; else as nginx redirects to it.
fn by_uri<'r>(request: Request<'r>, uri: Vec<u8>, args: Vec<u8>) -> Result<Target<'r>, Refusal> {
    // A URI may name a directory, which is for the location to answer.
    let mut path = uri;
    let is_folder = path.len() > 1 && path.pop_if(|last| *last == b'/').is_some();
    if path == b"/" {
        return Ok(Target::Location { storage: None, uri: path, args });
    }
    explain::held_against_rules(request, &path);
    match rule::first_match(request.loc_conf().rules(), absolute(path)?) {
        Ok((_, rest)) if is_folder => {
            Err(bad_path(Failure::OutsideRoot, rest.as_bytes(), &PathError::Directory))
        }
        Ok((rule, rest)) => Ok(placed(storage(request, rule.storage.as_bytes())?, rest)),
        Err(path) => {
            let mut uri = path.into_bytes();
            uri.extend(is_folder.then_some(b'/'));
            Ok(Target::Location { storage: None, uri, args })
        }
    }
}

fn absolute(path: Vec<u8>) -> Result<AbsolutePath, Refusal> {
    AbsolutePath::from_vec(path)
        .map_err(|(error, path)| bad_path(Failure::OutsideRoot, &path, &error))
}

/// `failure` is what a path that leads astray amounts to here.
fn bad_path(failure: Failure, path: &[u8], error: &PathError) -> Refusal {
    let failure = match error {
        PathError::Directory => Failure::NotAFile,
        PathError::TooLong => Failure::Missing,
        _ => failure,
    };
    Refusal::new(failure, format!("\"{}\": {error}", path.escape_ascii()))
}
