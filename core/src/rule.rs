//! Owns the rules: under which prefix the app knows a file, and in which storage, under which
//! directory, the server has it. Must not know what a storage is: the caller says.

use crate::path::{AbsolutePath, Directory, RelativePath};

/// One rule: what is below `prefix` is in `storage`, below `subdir` if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T> {
    /// What the app calls the directory.
    pub prefix: Directory,
    /// Where it is.
    pub storage: T,
    /// Where in the storage it is; `None`: at its top.
    pub subdir: Option<RelativePath>,
}

/// The first of `rules` with `path` below its prefix, and where in its storage the file is; the
/// path itself if there is none.
///
/// The first match decides: if the path in its storage gets too long, no later rule is tried.
pub fn first_match<T>(
    rules: &[Rule<T>],
    path: AbsolutePath,
) -> Result<(&Rule<T>, RelativePath), AbsolutePath> {
    let Some(rule) = rules.iter().find(|rule| rule.prefix.strip(&path).is_some()) else {
        return Err(path);
    };
    let rest = rule.prefix.relative(path)?;
    match &rule.subdir {
        None => Ok((rule, rest)),
        Some(subdir) => match rest.under(subdir) {
            Ok(inside) => Ok((rule, inside)),
            Err(_) => Err(rest.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str, storage: &'static str, subdir: Option<&str>) -> Rule<&'static str> {
        Rule {
            prefix: Directory::parse(prefix.as_bytes()).unwrap(),
            storage,
            subdir: subdir.map(|subdir| RelativePath::parse(subdir.as_bytes()).unwrap()),
        }
    }

    fn found(rules: &[Rule<&'static str>], path: &str) -> Option<(&'static str, String)> {
        let path = AbsolutePath::parse(path.as_bytes()).unwrap();
        first_match(rules, path).ok().map(|(rule, inside)| {
            (rule.storage, String::from_utf8(inside.as_bytes().to_vec()).unwrap())
        })
    }

    #[test]
    fn first_wins() {
        let rules = [
            rule("/media/private/", "private", Some("a/b")),
            rule("/media", "media", None),
            rule("/media/late/", "never", None),
        ];
        assert_eq!(found(&rules, "/media/private/x.txt"), Some(("private", "a/b/x.txt".into())));
        assert_eq!(found(&rules, "/media/privately"), Some(("media", "privately".into())));
        assert_eq!(found(&rules, "/media/late/x"), Some(("media", "late/x".into())));
        assert_eq!(found(&rules, "/media"), None);
        assert_eq!(found(&rules, "/media-old/x"), None);
        assert_eq!(found(&[], "/media/x"), None);
    }

    #[test]
    fn too_long_does_not_fall_through() {
        let rules = [rule("/", "deep", Some(&"d".repeat(4090))), rule("/", "other", None)];
        assert_eq!(found(&rules, "/four"), Some(("deep", format!("{}/four", "d".repeat(4090)))));
        assert_eq!(found(&rules, "/five5"), None);
    }
}
