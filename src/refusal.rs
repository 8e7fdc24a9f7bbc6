//! A failure on its way out: logged once, remembered for `$download_failure`, turned into a
//! status.

use std::fmt::{self, Display};

use nginx_download_core::failure::{Failure, Severity};

use crate::exchange::{Exchange, Noted};
use crate::nginx::{Level, NoMemory, OpenError, Status, now_sec, worker_uid};
use crate::{Request, explain};

/// Why a request gets no file, with the particulars for the error log.
#[derive(Debug)]
pub(crate) struct Refusal {
    failure: Failure,
    /// What a person needs to mend it; no control characters.
    detail: String,
    /// The system's error number, or 0.
    errno: i32,
}

impl Refusal {
    pub(crate) fn new(failure: Failure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into(), errno: 0 }
    }

    /// Is it that the app does not answer, or fails itself?
    pub(crate) fn is_app_down(&self) -> bool {
        self.failure.is_app_down()
    }

    /// What failed.
    pub(crate) fn failure(&self) -> Failure {
        self.failure
    }

    /// Logs the refusal and gives the status for nginx to make a response of.
    pub(crate) fn conclude(self, request: Request<'_>, exchange: &Exchange) -> Status {
        let failure = self.failure;
        self.note(request, exchange);
        if explain::is_on(exchange) {
            return explain::instead_of_status(request, exchange, failure.status());
        }
        Status::http(failure.status())
    }

    /// Logs the refusal; the response is somebody else's business.
    pub(crate) fn note(self, request: Request<'_>, exchange: &Exchange) {
        exchange.failure.set(Some(self.failure));
        explain::refused(exchange, self.failure, &self.detail, self.errno);
        let level = match self.failure.severity() {
            Severity::Info => Level::Info,
            Severity::Error => Level::Error,
            Severity::Crit => Level::Crit,
        };
        let Self { failure, detail, errno } = self;
        let (label, view) = (failure.label(), exchange.view.label());
        request.log(level, errno, format_args!("download {view}: {label}: {detail}"));
        exchange.noted.borrow_mut().push(Noted { time: now_sec(), failure, detail, errno });
    }

    /// The file could not be opened.
    pub(crate) fn open(error: &OpenError, disk: &impl Display) -> Self {
        let with =
            |failure, why: &str, errno| Self { failure, detail: format!("{disk} {why}"), errno };
        match *error {
            OpenError::Outside => with(Failure::OutsideRoot, "leads out of it", 0),
            OpenError::Symlink => with(
                Failure::Symlink,
                "is behind a symbolic link, and none is followed (see symlinks=)",
                0,
            ),
            OpenError::NotRegular(kind) => {
                with(Failure::NotAFile, &format!("is {kind}, not a file"), 0)
            }
            OpenError::Os(errno) => match errno {
                libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG => {
                    with(Failure::Missing, "does not exist", errno)
                }
                libc::ELOOP => {
                    with(Failure::Symlink, "is behind symbolic links that lead in a circle", errno)
                }
                libc::EACCES => {
                    let uid = worker_uid();
                    let why = format!("may not be read by the nginx worker (uid {uid})");
                    with(Failure::Unreadable, &why, errno)
                }
                libc::ENXIO | libc::ENODEV => {
                    with(Failure::NotAFile, "is a socket or device", errno)
                }
                _ => with(Failure::System, "cannot be opened", errno),
            },
            OpenError::NoMemory => with(Failure::Internal, "cannot be opened: out of memory", 0),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.failure.label(), self.detail)?;
        if self.errno != 0 { write!(f, " ({})", errno_in_words(self.errno)) } else { Ok(()) }
    }
}

/// `Permission denied` for EACCES.
pub(crate) fn errno_in_words(errno: i32) -> String {
    let mut words = std::io::Error::from_raw_os_error(errno).to_string();
    if let Some(number) = words.find(" (os error ") {
        words.truncate(number);
    }
    words
}

impl From<NoMemory> for Refusal {
    fn from(_: NoMemory) -> Self {
        Self::new(Failure::Internal, "out of memory")
    }
}

/// What comes of a request: a status for nginx, or a refusal.
pub(crate) type Outcome = Result<Status, Refusal>;
