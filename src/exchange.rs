//! One request's story: what it asked for, who decided, what became of it. The variables tell
//! it, so it is kept until the request is logged, past internal redirects and error pages.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use nginx_download_core::counters::{CacheEvent, CacheEvents, View};
use nginx_download_core::disposition;
use nginx_download_core::explain::Explanation;
use nginx_download_core::failure::Failure;
use nginx_download_core::path::RelativePath;
use nginx_download_core::signature::Claims;

use crate::config::{MainConf, Storage, Where};
use crate::decide::cache::{Memo, Queued, Watch};
use crate::deliver::{Metadata, Prepared};

pub(crate) use nginx_download_core::counters::Decision;

/// Where a file is. Put together when a variable asks.
pub(crate) struct Place {
    /// The storage, by its place among all storages.
    pub(crate) storage: Option<usize>,
    /// A root that is no storage's.
    pub(crate) root: Option<Vec<u8>>,
    pub(crate) path: Below,
}

/// Where a file is in a storage or below a root.
pub(crate) enum Below {
    /// On disk.
    Path(RelativePath),
    /// The whole internal URI.
    Uri(Vec<u8>),
}

impl Below {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Path(path) => path.as_bytes(),
            Self::Uri(uri) => uri,
        }
    }

    /// The last part of it.
    pub(crate) fn file_name(&self) -> &[u8] {
        match self {
            Self::Path(path) => path.file_name(),
            Self::Uri(uri) => uri.rsplit(|&c| c == b'/').next().unwrap_or_default(),
        }
    }
}

/// What the module remembers of a request.
pub(crate) struct Exchange {
    /// The view of the location.
    pub(crate) view: View,
    pub(crate) decision: Cell<Decision>,
    pub(crate) failure: Cell<Option<Failure>>,
    /// When the app was asked, in milliseconds of nginx's clock.
    pub(crate) asked_at: Cell<Option<u64>>,
    /// How long the app took, in milliseconds.
    pub(crate) grant_time: Cell<Option<u64>>,
    /// The kind of file reference.
    pub(crate) source: Cell<Option<&'static str>>,
    /// Where the file is, unless it is `prepared`.
    pub(crate) place: OnceCell<Place>,
    /// The remembered grant that the response is made of.
    pub(crate) prepared: OnceCell<Rc<Prepared>>,
    /// The URL on another server.
    pub(crate) url: OnceCell<Vec<u8>>,
    /// The name that the client is told.
    pub(crate) basename: OnceCell<String>,
    /// The header fields of a response that is held back.
    pub(crate) held: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    /// What is to be said of a file that another location sends; the first in the list was
    /// granted first, and has the last word.
    pub(crate) pending: RefCell<Vec<Metadata>>,
    /// What is to become of the answer that is being asked for.
    pub(crate) memo: RefCell<Option<Memo>>,
    /// When the request began to wait for an answer that another one asked for, in milliseconds.
    pub(crate) waits_since: Cell<Option<u64>>,
    /// How often a grant was revoked while it was asked for.
    pub(crate) revoked: Cell<u32>,
    /// Its place among those that wait.
    pub(crate) queued: RefCell<Option<Queued>>,
    /// What the transfer depends on.
    pub(crate) watch: RefCell<Option<Watch>>,
    /// What a signed link says of the file.
    pub(crate) claims: OnceCell<Claims>,
    /// The link was found good for the location of this configuration, whose content phase is
    /// next.
    pub(crate) checked_for: Cell<Option<usize>>,
    /// The account that `download_explain` asks for.
    pub(crate) account: OnceCell<Box<RefCell<Explanation>>>,
    /// What was logged of it. A failure need not be the end: a stale grant may serve.
    pub(crate) noted: RefCell<Vec<Noted>>,
    /// What the memory of decisions had to do with it.
    pub(crate) cache: Cell<CacheEvents>,
    /// The grant was revoked, and the transfer ended.
    pub(crate) cut: Cell<bool>,
}

/// A failure that was logged.
pub(crate) struct Noted {
    /// Unix seconds.
    pub(crate) time: u64,
    pub(crate) failure: Failure,
    pub(crate) detail: String,
    /// The system's error number, or 0.
    pub(crate) errno: i32,
}

impl Exchange {
    pub(crate) fn new(view: View) -> Self {
        Self {
            view,
            decision: Cell::default(),
            failure: Cell::default(),
            asked_at: Cell::default(),
            grant_time: Cell::default(),
            source: Cell::default(),
            place: OnceCell::new(),
            prepared: OnceCell::new(),
            url: OnceCell::new(),
            basename: OnceCell::new(),
            held: RefCell::default(),
            pending: RefCell::default(),
            memo: RefCell::default(),
            waits_since: Cell::default(),
            revoked: Cell::default(),
            queued: RefCell::default(),
            watch: RefCell::default(),
            claims: OnceCell::new(),
            checked_for: Cell::default(),
            account: OnceCell::new(),
            noted: RefCell::default(),
            cache: Cell::default(),
            cut: Cell::default(),
        }
    }

    /// The memory of decisions had to do with it.
    pub(crate) fn saw(&self, event: CacheEvent) {
        self.cache.set(self.cache.get().with(event));
    }

    /// The path on disk, or the internal URI.
    pub(crate) fn file(&self, main: &MainConf) -> Option<Vec<u8>> {
        let (root, path) = match (self.prepared.get(), self.place.get()) {
            (Some(prepared), _) => (None, prepared.path().as_bytes()),
            (None, Some(Place { root, path, .. })) => (root.as_deref(), path.as_bytes()),
            (None, None) => return None,
        };
        let root = match (root, self.storage(main).map(|storage| &storage.place)) {
            (Some(root), _) => root,
            (None, Some(Where::Root { path, .. })) => path,
            (None, _) => return Some(path.to_vec()),
        };
        Some([root, b"/", path].concat())
    }

    /// The storage that the file is in.
    pub(crate) fn storage<'m>(&self, main: &'m MainConf) -> Option<&'m Storage> {
        let index = match self.prepared.get() {
            Some(prepared) => prepared.storage(),
            None => self.place.get()?.storage?,
        };
        main.storages.get(index)
    }

    /// The name that the client is told; without one, a file on disk is called what it is called
    /// there.
    pub(crate) fn basename(&self) -> Option<Cow<'_, str>> {
        let named = self.prepared.get().and_then(|prepared| prepared.basename());
        if let Some(name) = named.or(self.basename.get().map(String::as_str)) {
            return Some(name.into());
        }
        let file_name = match self.prepared.get() {
            Some(prepared) => prepared.path().file_name(),
            None => self.place.get()?.path.file_name(),
        };
        Some(disposition::basename(file_name).into())
    }

    /// Goes on where `earlier` was redirected to a location with a view of its own: the grant
    /// that led here still holds.
    pub(crate) fn follow(&self, earlier: &Self) {
        self.decision.set(earlier.decision.get());
        self.grant_time.set(earlier.grant_time.get());
        self.pending.swap(&earlier.pending);
        self.watch.swap(&earlier.watch);
    }
}
