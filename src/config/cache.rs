//! `download_cache_zone`, `download_cache` and its options: whether the decisions of the app are
//! remembered, where, under which key, and for how long.

use std::rc::Rc;

use nginx_download_core::cache::scope;

use super::MainConf;
use super::directives::{flag, once, variables};
use super::parameter::unexpected;
use crate::Download;
use crate::nginx::{Conf, ConfError, Template};
use crate::zone::Zone;

/// How decisions are remembered in a location.
#[derive(Clone)]
pub(crate) struct Cache {
    pub(crate) zone: Rc<Zone>,
    /// The parts of the key.
    pub(crate) key: Rc<Vec<Part>>,
    /// Which location of which server it is.
    pub(crate) scope: u64,
    /// The most milliseconds for a grant, and how many for one that does not say.
    pub(crate) valid: Option<u64>,
    /// Milliseconds for a denial; 0: not at all.
    pub(crate) denied: u64,
    /// Does one request ask for all that wait?
    pub(crate) lock: bool,
    /// Milliseconds for which a grant that has expired may serve while the app is down.
    pub(crate) stale: u64,
}

/// A part of a key.
pub(crate) struct Part {
    pub(crate) value: Template,
    /// Header fields and cookies of the client that are in it beside other text: without one of
    /// these it counts as empty.
    pub(crate) needed: Vec<Template>,
}

/// What nginx.conf says, on one level and those above.
#[derive(Clone, Default)]
pub(crate) struct Caching {
    /// `None` inside: off.
    zone: Option<Option<String>>,
    key: Option<Rc<Vec<Part>>>,
    valid: Option<Valid>,
    lock: Option<bool>,
    stale: Option<u64>,
}

#[derive(Clone, Copy, Default)]
struct Valid {
    granted: u64,
    denied: u64,
}

impl Caching {
    /// Does this level itself say where decisions are remembered?
    pub(super) fn names_zone(&self) -> bool {
        matches!(self.zone, Some(Some(_)))
    }

    pub(super) fn inherit(&mut self, parent: &Self) {
        if self.zone.is_none() {
            self.zone.clone_from(&parent.zone);
        }
        if self.key.is_none() {
            self.key.clone_from(&parent.key);
        }
        self.valid = self.valid.or(parent.valid);
        self.lock = self.lock.or(parent.lock);
        self.stale = self.stale.or(parent.stale);
    }

    /// What comes of it in the location that `conf` is at.
    ///
    /// `place` is the location among those around it, `ask` the URI that is asked: blocks of one
    /// location are told apart by that alone.
    pub(super) fn resolve(
        &self,
        conf: &Conf<'_>,
        place: &[u8],
        ask: &[u8],
    ) -> Result<Option<Cache>, ConfError> {
        let Some(Some(name)) = &self.zone else { return Ok(None) };
        let zones = &conf.main_conf::<Download>().zones;
        let zone = zones.iter().find(|zone| zone.name() == name).ok_or_else(|| {
            format!("\"download_cache\" names the zone \"{name}\", which no download_cache_zone declares")
        })?;
        let key = self.key.clone().ok_or(
            "\"download_cache\" needs a download_cache_key: all that the app's decision depends \
             on, such as $uri $cookie_sessionid",
        )?;
        let mut names = conf.server_identity();
        names.extend([place, ask]);
        let valid = self.valid.unwrap_or_default();
        Ok(Some(Cache {
            zone: Rc::clone(zone),
            key,
            scope: scope(&names),
            valid: self.valid.map(|valid| valid.granted),
            denied: valid.denied,
            lock: self.lock.unwrap_or(true),
            stale: self.stale.unwrap_or(0),
        }))
    }
}

/// `zone=NAME:SIZE`
pub(super) fn declare_zone(conf: &Conf<'_>, main: &mut MainConf) -> Result<(), ConfError> {
    let argument = conf.argument(0);
    let halves = argument.strip_prefix(b"zone=").and_then(|zone| {
        let colon = zone.iter().position(|&c| c == b':')?;
        Some((zone.get(..colon)?, zone.get(colon + 1..)?))
    });
    let (name, size) = halves.filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        format!(
            "\"{}\": zone=NAME:SIZE is expected, such as zone=grants:10m",
            argument.escape_ascii()
        )
    })?;
    let size = conf.size(size)?;
    let memory = conf.shared_memory(name, size)?;
    let name = String::from_utf8_lossy(name).into_owned();
    main.zones.push(Rc::new(Zone::new(name, memory, size)));
    Ok(())
}

/// `NAME|off`
pub(super) fn set_zone(conf: &Conf<'_>, caching: &mut Caching) -> Result<(), ConfError> {
    let name = match conf.argument(0) {
        b"off" => None,
        name => Some(String::from_utf8_lossy(name).into_owned()),
    };
    once(&mut caching.zone, name)
}

/// `VALUE ...`
pub(super) fn set_key(conf: &mut Conf<'_>, caching: &mut Caching) -> Result<(), ConfError> {
    let mut parts = Vec::new();
    for part in conf.arguments() {
        if part.is_empty() {
            return Err("a part of the key is empty, so nothing would ever be remembered".into());
        }
        parts.push(parse_part(conf, part)?);
    }
    once(&mut caching.key, Rc::new(parts))
}

fn parse_part(conf: &mut Conf<'_>, part: &[u8]) -> Result<Part, ConfError> {
    let value = conf.template(part)?;
    let mut needed = Vec::new();
    for name in variables(part) {
        let lower = name.to_ascii_lowercase();
        if !lower.starts_with("cookie_") && !lower.starts_with("http_") {
            continue;
        }
        let variable = format!("${name}");
        if variable.len() == part.len() {
            continue;
        }
        for next in ['.', '-'] {
            let cut_off = format!("{variable}{next}");
            if part.windows(cut_off.len()).any(|text| text == cut_off.as_bytes()) {
                return Err(format!(
                    "\"{}\": nginx reads \"{variable}\" and then text; take a cookie with such a \
                     name out of $http_cookie by map, or write \"${{{name}}}\"",
                    part.escape_ascii()
                )
                .into());
            }
        }
        needed.push(conf.template(variable.as_bytes())?);
    }
    Ok(Part { value, needed })
}

/// `TIME [denied=TIME]`
pub(super) fn set_valid(conf: &Conf<'_>, caching: &mut Caching) -> Result<(), ConfError> {
    let mut valid = Valid { granted: conf.time(conf.argument(0))?, denied: 0 };
    let parameter = conf.argument(1);
    if !parameter.is_empty() {
        let denied = parameter
            .strip_prefix(b"denied=")
            .ok_or_else(|| unexpected(parameter, "denied=TIME"))?;
        valid.denied = conf.time(denied)?;
    }
    once(&mut caching.valid, valid)
}

/// `on|off`
pub(super) fn set_lock(conf: &Conf<'_>, caching: &mut Caching) -> Result<(), ConfError> {
    let lock = flag(conf)?;
    once(&mut caching.lock, lock)
}

/// `TIME|off`
pub(super) fn set_stale(conf: &Conf<'_>, caching: &mut Caching) -> Result<(), ConfError> {
    let stale = match conf.argument(0) {
        b"off" => 0,
        time => conf.time(time)?,
    };
    once(&mut caching.stale, stale)
}
