//! What nginx.conf says, as ready objects, and how locations inherit it.

pub(crate) mod cache;
mod descriptors;
pub(crate) mod directives;
mod health;
mod intercept;
mod parameter;
mod signature;
mod storage;
mod view;

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use nginx_download_core::header::HeaderName;
use nginx_download_core::reference::Convention;
use nginx_download_core::rule::Rule;

pub(crate) use cache::Cache;
use cache::Caching;
pub(crate) use health::Health;
pub(crate) use intercept::Intercept;
pub(crate) use signature::Signature;
pub(crate) use storage::{Storage, Where};
pub(crate) use view::{LocalUri, Names, View};

use crate::Download;
use crate::nginx::{Conf, ConfError, Content, Location, LocationKind, Template};
use crate::tally::Tally;
use crate::zone::Zone;

/// `download_grant_max_size`, in bytes, where nobody says otherwise.
const GRANT_MAX_SIZE: usize = 64 * 1024;

/// The configuration of the whole `http {}`.
#[derive(Default)]
pub(crate) struct MainConf {
    pub(crate) storages: Vec<Storage>,
    /// Where decisions are remembered.
    pub(crate) zones: Vec<Rc<Zone>>,
    /// Does any location have anything to do with downloads?
    pub(crate) filters: Cell<bool>,
    /// Does any location have `download_intercept` or `download_signature`?
    pub(crate) before_content: Cell<bool>,
    /// Where requests are counted, if any location has `download_status`.
    pub(crate) tally: OnceCell<Tally>,
}

impl MainConf {
    /// The storage of that name. There are few, so they are looked through.
    pub(crate) fn storage(&self, name: &[u8]) -> Option<&Storage> {
        self.storages.iter().find(|storage| storage.name.as_bytes() == name)
    }
}

/// The configuration of a location, or what locations inherit.
#[derive(Default)]
pub(crate) struct LocConf {
    pub(crate) view: Option<View>,
    pub(crate) options: Options,
    /// A rule names its storage, which `merge` makes sure is there.
    rules: Option<Rc<Vec<Rule<String>>>>,
    grant_max_size: Option<usize>,
    intercept: Option<Intercept>,
    explain: Option<Template>,
    /// `None` inside: off.
    signature: Option<Option<Rc<Signature>>>,
    caching: Caching,
    /// Is there anything to be done before requests are answered?
    pub(crate) before_content: bool,
    /// The location and those around it, in words.
    place: String,
    /// What comes of `caching`.
    cache: Option<Cache>,
    /// What the location is instead of a download.
    pub(crate) endpoint: Option<Endpoint>,
}

/// What admins and apps look at and turn to.
#[derive(Clone)]
pub(crate) enum Endpoint {
    /// `download_revoke`
    Revoke,
    /// `download_status`
    Status(Format),
    /// `download_health`
    Health(Health),
}

impl Endpoint {
    /// The directive that makes it.
    fn directive(&self) -> &'static str {
        match self {
            Self::Revoke => "download_revoke",
            Self::Status(_) => "download_status",
            Self::Health(_) => "download_health",
        }
    }
}

/// How counters are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Json,
    Prometheus,
    Html,
}

impl Format {
    /// The one of that name.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"json" => Some(Self::Json),
            b"prometheus" => Some(Self::Prometheus),
            b"html" => Some(Self::Html),
            _ => None,
        }
    }
}

impl LocConf {
    /// What responses of apps are intercepted for.
    pub(crate) fn intercept(&self) -> Intercept {
        self.intercept.unwrap_or_default()
    }

    /// Whether requests explain themselves, if anybody may ask for that.
    pub(crate) fn explain(&self) -> Option<&Template> {
        self.explain.as_ref()
    }

    /// How links are checked, if they must be signed.
    pub(crate) fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()?.as_deref()
    }

    /// Has it anything to do with downloads?
    fn is_ours(&self) -> bool {
        let has_view = !matches!(self.view, None | Some(View::Off));
        has_view || self.endpoint.is_some() || self.before_content
    }

    /// How the app's decisions are remembered, if they are.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The most bytes that a grant may have.
    pub(crate) fn grant_max_size(&self) -> usize {
        self.grant_max_size.unwrap_or(GRANT_MAX_SIZE)
    }

    /// From what the app calls a file to where it is; the first match wins.
    pub(crate) fn rules(&self) -> &[Rule<String>] {
        self.rules.as_deref().map(Vec::as_slice).unwrap_or_default()
    }
}

/// What is said of a file where a grant does not say it.
#[derive(Default)]
pub(crate) struct Options {
    attachment: Option<bool>,
    pub(crate) basename: Option<Template>,
    pub(crate) mimetype: Option<Template>,
    pub(crate) charset: Option<Template>,
    pub(crate) encoding: Option<Template>,
    headers: Option<Rc<Vec<(HeaderName, Template)>>>,
}

impl Options {
    /// To be saved, not shown?
    pub(crate) fn attachment(&self) -> bool {
        self.attachment.unwrap_or(true)
    }

    /// `download_header`, in the order given.
    pub(crate) fn headers(&self) -> &[(HeaderName, Template)] {
        self.headers.as_deref().map(Vec::as_slice).unwrap_or_default()
    }

    fn inherit(&mut self, parent: &Self) {
        self.attachment = self.attachment.or(parent.attachment);
        self.basename = self.basename.or(parent.basename);
        self.mimetype = self.mimetype.or(parent.mimetype);
        self.charset = self.charset.or(parent.charset);
        self.encoding = self.encoding.or(parent.encoding);
        if self.headers.is_none() {
            self.headers.clone_from(&parent.headers);
        }
    }
}

/// `child` inherits what it does not say itself.
///
/// Lists (`download_rule`, `download_header`) are inherited whole or not at all, as nginx does
/// with `add_header`. A view reaches into nested locations too, unlike `proxy_pass`: a nested
/// location that only sets, say, `expires` must not lay open what its parent protects.
pub(crate) fn merge(
    conf: &mut Conf<'_>,
    parent: &LocConf,
    child: &mut LocConf,
) -> Result<(), ConfError> {
    child.options.inherit(&parent.options);
    child.grant_max_size = child.grant_max_size.or(parent.grant_max_size);
    child.intercept = child.intercept.or(parent.intercept);
    child.explain = child.explain.or(parent.explain);
    if child.signature.is_none() {
        child.signature.clone_from(&parent.signature);
    }
    child.before_content = child.intercept().is_on() || child.signature().is_some();
    if child.before_content {
        conf.main_conf::<Download>().before_content.set(true);
    }
    if child.intercept().takes(Convention::AccelRedirect) {
        conf.take_accel_redirect()?;
    }
    if child.rules.is_none() {
        child.rules.clone_from(&parent.rules);
    }
    let storages = conf.main_conf::<Download>();
    for rule in child.rules() {
        if storages.storage(rule.storage.as_bytes()).is_none() {
            return Err(unknown_storage("download_rule", &rule.storage));
        }
    }
    if is_via(storages, &conf.location()) {
        // A server elsewhere must not name files of this one.
        conf.take_accel_redirect()?;
    }
    merge_view(conf, parent, child)?;
    if let Some(View::Storage { storage, .. }) = &child.view
        && storages.storage(storage.as_bytes()).is_none()
    {
        return Err(unknown_storage("download storage", storage));
    }
    if child.is_ours() {
        conf.main_conf::<Download>().filters.set(true);
    }
    merge_cache(conf, parent, child)
}

/// A cache is for locations that ask. One that is named in a location must be sound, whether it is
/// of use there or not.
fn merge_cache(conf: &Conf<'_>, parent: &LocConf, child: &mut LocConf) -> Result<(), ConfError> {
    let location = conf.location();
    let named_here = child.caching.names_zone() && !location.name().is_empty();
    child.caching.inherit(&parent.caching);
    let own = format!("{:?} {}\n", location.kind(), location.name().escape_ascii());
    child.place = parent.place.clone() + &own;
    let ask = match &child.view {
        Some(View::Object(ask)) => ask.text.as_slice(),
        _ if named_here => b"",
        _ => return Ok(()),
    };
    child.cache = child.caching.resolve(conf, child.place.as_bytes(), ask)?;
    Ok(())
}

/// Is it the location that a storage is fetched by?
fn is_via(main: &MainConf, location: &Location) -> bool {
    let name = location.name();
    let name = name.strip_suffix(b"/").unwrap_or(name);
    location.kind() == LocationKind::Prefix
        && main.storages.iter().any(|storage| match &storage.place {
            Where::Url { via, .. } => via.as_bytes().strip_suffix(b"/") == Some(name),
            Where::Root { .. } | Where::Location(_) => false,
        })
}

fn merge_view(conf: &mut Conf<'_>, parent: &LocConf, child: &mut LocConf) -> Result<(), ConfError> {
    let mut location = conf.location();
    let declared = child.view.is_some();
    let is_block = location.kind() == LocationKind::Block;
    if is_block && !declared && location.content::<Download>() != Content::Other {
        // nginx goes on with the content handler of the location that the block is in.
        child.endpoint.clone_from(&parent.endpoint);
    }
    if let Some(endpoint) = &child.endpoint {
        if declared || location.content::<Download>() == Content::Other {
            let directive = endpoint.directive();
            return Err(format!("\"{directive}\" needs a location of its own").into());
        }
        if let Endpoint::Health(health) = endpoint {
            health.check(conf.main_conf::<Download>())?;
        }
        location.take_content::<Download>();
        return Ok(());
    }
    if !declared {
        // `return`, `rewrite` and the like need no content handler; proxy_pass and its kin do,
        // and a location with one of those of its own is somebody else's.
        if location.content::<Download>() == Content::Other {
            return Ok(());
        }
        child.view.clone_from(&parent.view);
    }
    match (&child.view, location.content::<Download>()) {
        (None | Some(View::Off), _) => Ok(()),
        (Some(_), Content::Other) => Err(format!(
            "\"download\" and another content handler, such as proxy_pass, are both in {}",
            describe(location.kind(), location.name())
        )
        .into()),
        (Some(_), _) => {
            location.take_content::<Download>();
            Ok(())
        }
    }
}

fn unknown_storage(directive: &str, name: &str) -> ConfError {
    ConfError(format!(
        "\"{directive}\" names the storage \"{name}\", which no download_storage declares"
    ))
}

fn describe(kind: LocationKind, name: &[u8]) -> String {
    let name = name.escape_ascii();
    match kind {
        LocationKind::Exact => format!("location = {name}"),
        LocationKind::Regex => format!("location ~ {name}"),
        LocationKind::Block => "an if or limit_except block".into(),
        LocationKind::Prefix | LocationKind::Named => format!("location {name}"),
    }
}
