//! Owns the report of a health check: what was looked at, what came of it, and the JSON that says
//! so; and what can be done about a failure. Must not know how anything is looked at.

use std::fmt::Write as _;

use crate::failure::Failure;

/// What came of a check: that it passed, with a remark where there is one to make, or what is
/// wrong and what to do.
pub type Finding = Result<Option<String>, String>;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it was: `storage:media`. No two of a report have the same name.
    pub name: String,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What came of it.
    pub finding: Finding,
}

/// All that was looked at, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// Adds a check.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Is nothing wrong?
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.finding.is_ok())
    }

    /// What is wrong, in one line: `storage:media: ...; app: ...`.
    #[must_use]
    pub fn guilty(&self) -> String {
        let guilty = self.checks.iter().filter_map(|check| {
            let why = check.finding.as_ref().err()?;
            Some(format!("{}: {why}", check.name))
        });
        guilty.collect::<Vec<_>>().join("; ")
    }

    /// One object, with a line for each check.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = format!("{{\"status\": \"{}\", \"checks\": {{", word(self.passed()));
        let mut separator = "\n";
        for Check { name, micros, finding } in &self.checks {
            let (name, status) = (quoted(name), word(finding.is_ok()));
            let (msec, rest) = (micros / 1000, micros % 1000);
            // A String takes all.
            let _ = write!(
                json,
                "{separator}  {name}: {{\"status\": \"{status}\", \"time_ms\": {msec}.{rest:03}"
            );
            if let Ok(Some(detail)) | Err(detail) = finding {
                let _ = write!(json, ", \"detail\": {}", quoted(detail));
            }
            json.push('}');
            separator = ",\n";
        }
        json.push_str(if self.checks.is_empty() { "}}\n" } else { "\n}}\n" });
        json
    }
}

fn word(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What whoever looks at a failure can do about it, where its message does not say it already.
#[must_use]
pub fn advice(failure: Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::Denied => "let ask= name something that this probe may have",
        Failure::Redirected => {
            "let ask= name something that this probe may have without logging in"
        }
        Failure::AppError | Failure::AnswerCut => "the app's own log says why",
        Failure::AppTimeout => {
            "the app's own log may say why; proxy_read_timeout and its kin say how long it has"
        }
        Failure::AppUnavailable => "nginx's own line in the error log says what it tried",
        Failure::NotAGrant => "let ask= name a URI by which the app grants",
        Failure::GrantTooLarge => "raise it, or let the app say less",
        Failure::GrantInvalid => "the app has to write grants by grant.schema.json",
        Failure::UnknownStorage => "declare it, or correct the app",
        Failure::Ambiguous => "the app has to refer to one file",
        Failure::NoRule => {
            "add a download_rule, or a storage's location= or url=, or correct the app"
        }
        Failure::OutsideRoot | Failure::BadPath => "correct the app, or the rule that led here",
        Failure::Symlink => "replace the link by what it leads to, or allow it with symlinks=on",
        Failure::Missing => "create it, or correct the path or the rule that led here",
        Failure::NotAFile => "name a file",
        Failure::Unreadable => {
            "let the worker's user read the file and search all folders on the way; namei -l shows \
             who may what"
        }
        Failure::System => "the machine is in trouble: descriptors, disk, network file systems",
        Failure::Internal => "nginx's error log may say more",
        Failure::Method
        | Failure::Unsigned
        | Failure::BadSignature
        | Failure::LinkExpired
        | Failure::LinkNotYet
        | Failure::Revoked
        | Failure::Unsupported
        | Failure::NoDescriptor
        | Failure::BadDescriptor
        | Failure::TargetMissing
        | Failure::TargetError
        | Failure::BadOption => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &[(&str, u64, Finding)]) -> Report {
        let mut report = Report::default();
        for (name, micros, finding) in findings {
            report.push(Check { name: (*name).into(), micros: *micros, finding: finding.clone() });
        }
        report
    }

    #[test]
    fn nothing_to_look_at_passes() {
        let report = report(&[]);
        assert!(report.passed());
        assert_eq!(report.to_json(), "{\"status\": \"pass\", \"checks\": {}}\n");
        assert_eq!(report.guilty(), "");
    }

    #[test]
    fn one_that_fails_fails_all() {
        let report = report(&[
            ("storage:a", 12, Ok(None)),
            ("storage:b", 1_234_567, Err("gone: create it".into())),
            ("app", 3_004, Ok(Some("well".into()))),
            ("end_to_end", 0, Err("missing".into())),
        ]);
        assert!(!report.passed());
        assert_eq!(report.guilty(), "storage:b: gone: create it; end_to_end: missing");
        assert_eq!(
            report.to_json(),
            "{\"status\": \"fail\", \"checks\": {\n  \
             \"storage:a\": {\"status\": \"pass\", \"time_ms\": 0.012},\n  \
             \"storage:b\": {\"status\": \"fail\", \"time_ms\": 1234.567, \"detail\": \"gone: create it\"},\n  \
             \"app\": {\"status\": \"pass\", \"time_ms\": 3.004, \"detail\": \"well\"},\n  \
             \"end_to_end\": {\"status\": \"fail\", \"time_ms\": 0.000, \"detail\": \"missing\"}\n}}\n"
        );
    }

    #[test]
    fn it_is_json_whatever_the_names() {
        let odd = "a\"b\\c\nd\u{1}\u{e4}\u{2028}";
        let report = report(&[(odd, 1, Err(odd.into())), ("b", 1, Ok(None))]);
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["status"], "fail");
        assert_eq!(json["checks"][odd]["detail"], odd);
        assert_eq!(json["checks"]["b"]["time_ms"], 0.001);
    }

    #[test]
    fn advice_is_one_line() {
        for advice in Failure::all().filter_map(advice) {
            assert!(!advice.is_empty() && !advice.contains('\n') && !advice.ends_with('.'));
        }
    }
}
