//! A remembered grant of a file on disk, with all of its response that does not depend on the
//! request made beforehand. Must not know how grants are remembered, or for how long.

use std::rc::Rc;

use nginx_download_core::failure::Failure;
use nginx_download_core::grant::Grant;
use nginx_download_core::path::RelativePath;

use super::version::Last;
use super::{Granted, Metadata, from_disk};
use crate::Request;
use crate::config::{Options, Where};
use crate::exchange::Exchange;
use crate::locate::{Disk, Target};
use crate::nginx::{Status, Template};
use crate::refusal::{Outcome, Refusal};

/// What is the same for all requests that get this file by this grant in this location. Good for
/// as long as the configuration that the location is part of.
pub(crate) struct Prepared {
    source: &'static str,
    /// The storage, by its place among all storages.
    storage: usize,
    path: RelativePath,
    metadata: Metadata,
    /// The name that the client is told, where it is not the file's own.
    basename: Option<String>,
    words: Last,
}

impl Prepared {
    /// Nothing where it would depend on the request, or is no plain file on disk. What else the
    /// app said with its grant, cookies above all, is no part of it.
    pub(crate) fn new(
        request: Request<'_>,
        grant: &Grant,
        target: &Target<'_>,
    ) -> Result<Option<Self>, Refusal> {
        let Target::Disk(Disk { storage: Some(storage), path, temporary: false, .. }) = target
        else {
            return Ok(None);
        };
        if !is_constant(&request.loc_conf().options) {
            return Ok(None);
        }
        let granted = Granted { grant: grant.clone(), cookies: Vec::new() };
        let exchange = Exchange::new("");
        let mut metadata = Metadata::new(request, &exchange, Some(granted))?;
        metadata.make(request.response(), path.file_name())?;
        Ok(Some(Self {
            source: grant.file.kind(),
            storage: storage.index,
            path: path.clone(),
            metadata,
            basename: exchange.basename.into_inner(),
            words: Last::default(),
        }))
    }

    /// Sends the file as [`super::deliver`] would. The exchange keeps `self` for as long as the
    /// response leads into it.
    pub(crate) fn deliver<'r>(
        self: Rc<Self>,
        request: Request<'r>,
        exchange: &'r Exchange,
    ) -> Outcome {
        if let Err(status) = request.discard_body() {
            return Ok(status);
        }
        let delivered = |_| Refusal::new(Failure::Internal, "delivered twice");
        exchange.prepared.set(self).map_err(delivered)?;
        let Some(prepared) = exchange.prepared.get() else { return Ok(Status::ERROR) };
        exchange.source.set(Some(prepared.source));
        let disk = prepared.disk(request)?;
        let describe =
            |response| prepared.metadata.describe_in_place(response, prepared.path.file_name());
        from_disk(request, exchange, &disk, &prepared.metadata, &prepared.words, describe)
    }

    fn disk<'r>(&'r self, request: Request<'r>) -> Result<Disk<'r, &'r RelativePath>, Refusal> {
        let storage = request.main_conf().storages.get(self.storage);
        match storage.map(|storage| (storage, &storage.place)) {
            Some((storage, Where::Root { path: root, symlinks })) => Ok(Disk {
                storage: Some(storage),
                root,
                path: &self.path,
                symlinks: *symlinks,
                temporary: false,
            }),
            _ => Err(Refusal::new(Failure::Internal, "a grant of another configuration")),
        }
    }

    /// The storage, by its place among all storages.
    pub(crate) fn storage(&self) -> usize {
        self.storage
    }

    /// The path below it.
    pub(crate) fn path(&self) -> &RelativePath {
        &self.path
    }

    /// The name that the client is told, where it is not the file's own.
    pub(crate) fn basename(&self) -> Option<&str> {
        self.basename.as_deref()
    }
}

/// Do the options come out the same for each request?
fn is_constant(options: &Options) -> bool {
    let Options { basename, mimetype, charset, encoding, .. } = options;
    let values = [basename, mimetype, charset, encoding].into_iter().flatten();
    let headers = options.headers().iter().map(|(_, value)| value);
    values.chain(headers).all(|value: &Template| value.constant().is_some())
}
