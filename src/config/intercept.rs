//! `download_intercept`: which responses of apps are turned into files.

use nginx_download_core::reference::Convention;

use super::parameter::unexpected;
use crate::nginx::{Conf, ConfError};

/// What responses of apps are intercepted for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Intercept {
    accel_redirect: bool,
    sendfile: bool,
    /// Grants in the body of ordinary responses.
    pub(crate) grant: bool,
    /// Are references percent-encoded? `None`: each as its convention has it.
    pub(crate) decode: Option<bool>,
}

impl Intercept {
    /// Is anything intercepted?
    pub(crate) fn is_on(self) -> bool {
        self.accel_redirect || self.sendfile || self.grant
    }

    /// Is this convention followed?
    pub(crate) fn takes(self, convention: Convention) -> bool {
        match convention {
            Convention::AccelRedirect => self.accel_redirect,
            Convention::Sendfile
            | Convention::SendfileTemporary
            | Convention::Sendfile2
            | Convention::SendfileFd => self.sendfile,
        }
    }
}

/// `off | x-accel-redirect | x-sendfile | grant | all ... [decode=on|off]`
pub(super) fn parse(conf: &Conf<'_>) -> Result<Intercept, ConfError> {
    let mut intercept = Intercept::default();
    let mut off = false;
    for argument in conf.arguments() {
        match argument {
            b"off" => off = true,
            b"x-accel-redirect" => intercept.accel_redirect = true,
            b"x-sendfile" => intercept.sendfile = true,
            b"grant" => intercept.grant = true,
            b"all" => {
                intercept.accel_redirect = true;
                intercept.sendfile = true;
                intercept.grant = true;
            }
            b"decode=on" if intercept.decode.is_none() => intercept.decode = Some(true),
            b"decode=off" if intercept.decode.is_none() => intercept.decode = Some(false),
            other => {
                return Err(unexpected(
                    other,
                    "off, x-accel-redirect, x-sendfile, grant, all or decode=on|off",
                ));
            }
        }
    }
    if off == intercept.is_on() || off && intercept.decode.is_some() {
        return Err("needs \"off\", or what to intercept".into());
    }
    Ok(intercept)
}
