//! `download_health`: what is looked at in a location, and for how long a result holds.

use std::rc::Rc;

use nginx_download_core::path::RelativePath;

use super::parameter::Parameter;
use super::view::{LocalUri, parse_uri};
use super::{MainConf, unknown_storage};
use crate::endpoint::Memory;
use crate::nginx::{Conf, ConfError};

/// So long, in milliseconds, a result holds where nobody says otherwise.
const VALID: u64 = 1_000;

/// What is looked at.
#[derive(Clone)]
pub(crate) struct Health {
    /// Where the app is asked.
    pub(crate) ask: Option<LocalUri>,
    pub(crate) probes: Rc<[Probe]>,
    /// So long, in milliseconds, a result holds; 0: not at all.
    pub(crate) valid: u64,
    /// What this worker remembers of it.
    pub(crate) memory: Rc<Memory>,
}

/// A file that must be there.
#[derive(PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) storage: String,
    pub(crate) path: RelativePath,
}

impl Health {
    /// Once all storages are known: is each that is probed one of them?
    pub(super) fn check(&self, main: &MainConf) -> Result<(), ConfError> {
        let unknown =
            self.probes.iter().find(|probe| main.storage(probe.storage.as_bytes()).is_none());
        unknown.map_or(Ok(()), |probe| Err(unknown_storage("download_health", &probe.storage)))
    }
}

/// `[ask=URI] [probe=STORAGE:PATH ...] [valid=TIME]`
pub(super) fn parse(conf: &mut Conf<'_>) -> Result<Health, ConfError> {
    let (mut ask, mut valid, mut probes) = (None, None, Vec::new());
    for parameter in conf.arguments().into_iter().map(Parameter::new) {
        match parameter.name {
            b"ask=" => parameter.once(&mut ask, parse_uri(conf, parameter.value)?)?,
            b"valid=" => parameter.once(&mut valid, conf.time(parameter.value)?)?,
            b"probe=" => {
                let probe = parse_probe(parameter.value)?;
                if probes.contains(&probe) {
                    return Err(parameter.given_twice());
                }
                probes.push(probe);
            }
            _ => return Err(parameter.unexpected("ask=, probe= or valid=")),
        }
    }
    let memory = Rc::default();
    Ok(Health { ask, probes: probes.into(), valid: valid.unwrap_or(VALID), memory })
}

fn parse_probe(file: &[u8]) -> Result<Probe, ConfError> {
    let shown = file.escape_ascii();
    let at = file.iter().position(|&c| c == b':');
    let (storage, path) = at
        .and_then(|at| Some((file.get(..at)?, file.get(at + 1..)?)))
        .ok_or_else(|| format!("probe=\"{shown}\": STORAGE:PATH is expected"))?;
    let path = RelativePath::parse(path).map_err(|error| format!("probe=\"{shown}\": {error}"))?;
    Ok(Probe { storage: String::from_utf8_lossy(storage).into_owned(), path })
}
