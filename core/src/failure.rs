//! Why a request got no file: one table from cause to status, log level, label and fault.
//!
//! The label is what `$download_failure` shows, so it stays as it is once published. Knows
//! nothing of how the failure is logged or turned into a response.

/// A request-time failure. Each denies: none ever lets a byte of the file out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// A method other than GET and HEAD.
    Method,
    /// The client's URI names no path below the root.
    BadPath,
    /// The link is not signed, where it must be.
    Unsigned,
    /// The link's signature is not good for this request.
    BadSignature,
    /// The link has expired.
    LinkExpired,
    /// The link is not valid yet.
    LinkNotYet,
    /// The app said 4xx.
    Denied,
    /// The grant was revoked while it was given, each time anew.
    Revoked,
    /// The app said 3xx: to a login page, say.
    Redirected,
    /// The app said 5xx.
    AppError,
    /// The app did not answer in time.
    AppTimeout,
    /// No connection to the app, or no HTTP came back.
    AppUnavailable,
    /// The app's answer broke off.
    AnswerCut,
    /// The app's answer is neither a grant nor a denial.
    NotAGrant,
    /// The grant is larger than `download_grant_max_size`.
    GrantTooLarge,
    /// The grant breaks the rules of `grant.schema.json`.
    GrantInvalid,
    /// The grant names a storage that no `download_storage` declares.
    UnknownStorage,
    /// The app's response refers to more than one file.
    Ambiguous,
    /// The grant's kind of file cannot be served here.
    Unsupported,
    /// The app refers to a descriptor that did not come with its response.
    NoDescriptor,
    /// The descriptor is not what may be sent, or came as it must not.
    BadDescriptor,
    /// No `download_rule` covers the grant's path, or no storage its location.
    NoRule,
    /// The path leads out of its storage.
    OutsideRoot,
    /// A symbolic link is in the way.
    Symlink,
    /// There is no such file.
    Missing,
    /// A directory, FIFO, socket or device.
    NotAFile,
    /// The worker may not read it.
    Unreadable,
    /// The internal location that was to send the file has none, or only a redirect.
    TargetMissing,
    /// The internal location that was to send the file failed.
    TargetError,
    /// An option of the location came out malformed.
    BadOption,
    /// The system failed: descriptors, disk.
    System,
    /// The module failed: memory.
    Internal,
}

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever sent the request. Nobody has to act.
    Client,
    /// Whoever writes the app.
    App,
    /// Whoever runs nginx.
    Admin,
}

/// How loud a failure is in the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The ordinary course of things.
    Info,
    /// Somebody has to mend something.
    Error,
    /// The machine is in trouble.
    Crit,
}

/// One row of the table.
struct Row {
    label: &'static str,
    status: u16,
    severity: Severity,
    fault: Fault,
}

macro_rules! table {
    ($($failure:ident $label:literal $status:literal $severity:ident $fault:ident;)+) => {
        const ALL: &[Failure] = &[$(Failure::$failure),+];

        impl Failure {
            fn row(self) -> Row {
                let (label, status, severity, fault) = match self {
                    $(Self::$failure => ($label, $status, Severity::$severity, Fault::$fault),)+
                };
                Row { label, status, severity, fault }
            }
        }
    };
}

// Denied, absent and outside look alike to the client: all that concerns the file is a 404.
// Denied and Redirected carry the app's own status; theirs here is never used.
table! {
    Method          "method"           405  Info   Client;
    BadPath         "bad_path"         404  Info   Client;
    Unsigned        "unsigned"         403  Info   Client;
    BadSignature    "bad_signature"    403  Info   Client;
    LinkExpired     "link_expired"     403  Info   Client;
    LinkNotYet      "link_not_yet"     403  Info   Client;
    Denied          "denied"           403  Info   Client;
    Revoked         "revoked"          403  Info   App;
    Redirected      "redirected"       302  Info   Client;
    AppError        "app_error"        502  Error  App;
    AppTimeout      "app_timeout"      504  Error  App;
    AppUnavailable  "app_unavailable"  502  Error  App;
    AnswerCut       "answer_cut"       502  Error  App;
    NotAGrant       "not_a_grant"      502  Error  App;
    GrantTooLarge   "grant_too_large"  502  Error  App;
    GrantInvalid    "grant_invalid"    502  Error  App;
    UnknownStorage  "unknown_storage"  502  Error  App;
    Ambiguous       "ambiguous"        502  Error  App;
    Unsupported     "unsupported"      502  Error  App;
    NoDescriptor    "no_descriptor"    502  Error  App;
    BadDescriptor   "bad_descriptor"   502  Error  App;
    NoRule          "no_rule"          404  Error  Admin;
    OutsideRoot     "outside_root"     404  Error  App;
    Symlink         "symlink"          404  Error  Admin;
    Missing         "missing"          404  Error  App;
    NotAFile        "not_a_file"       404  Error  App;
    Unreadable      "unreadable"       404  Error  Admin;
    TargetMissing   "target_missing"   404  Error  App;
    TargetError     "target_error"     502  Error  Admin;
    BadOption       "bad_option"       500  Error  Admin;
    System          "system"           500  Crit   Admin;
    Internal        "internal"         500  Error  Admin;
}

impl Failure {
    /// How many there are.
    pub const COUNT: usize = ALL.len();

    /// All failures, in the order of the reference.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied()
    }

    /// Its place in the table; for as long as the process and its kin live.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The failure of that number.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        ALL.get(usize::from(number)).copied()
    }

    /// The value of `$download_failure`.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.row().label
    }

    /// The HTTP status that the client gets.
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// How loud it is in the error log.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// Does the app not answer, or fail itself? Then what it said earlier may serve.
    #[must_use]
    pub fn is_app_down(self) -> bool {
        matches!(self, Self::AppError | Self::AppTimeout | Self::AppUnavailable | Self::AnswerCut)
    }

    /// Was there no answer of the app, or none that can be understood?
    #[must_use]
    pub fn is_bad_answer(self) -> bool {
        self.is_app_down()
            || matches!(self, Self::NotAGrant | Self::GrantTooLarge | Self::GrantInvalid)
    }

    /// Who has to act.
    #[must_use]
    pub fn fault(self) -> Fault {
        self.row().fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn labels_are_unique_words() {
        let labels: BTreeSet<_> = Failure::all().map(Failure::label).collect();
        assert_eq!(labels.len(), ALL.len());
        for label in labels {
            assert!(label.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{label}");
        }
    }

    #[test]
    fn numbers() {
        assert!(
            Failure::all().all(|failure| Failure::of_number(failure.number()) == Some(failure))
        );
        assert_eq!(Failure::of_number(ALL.len() as u16), None);
    }

    #[test]
    fn every_failure_denies() {
        assert!(Failure::all().all(|failure| failure.status() >= 300));
    }

    #[test]
    fn what_concerns_the_file_looks_alike() {
        use Failure::*;
        for failure in [NoRule, OutsideRoot, Symlink, Missing, NotAFile, Unreadable, BadPath] {
            assert_eq!(failure.status(), 404);
        }
    }

    #[test]
    fn the_client_alone_cannot_fill_the_log() {
        for failure in Failure::all().filter(|f| f.fault() == Fault::Client) {
            assert_eq!(failure.severity(), Severity::Info);
        }
    }
}
