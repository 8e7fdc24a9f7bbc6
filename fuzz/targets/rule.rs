//! The first rule that covers a path decides; what it gives is below its directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::path::{AbsolutePath, Directory, RelativePath};
use nginx_download_core::rule::{Rule, first_match};

fuzz_target!(|data: (Vec<(&[u8], Option<&[u8]>)>, &[u8])| {
    let (given, path) = data;
    let rules: Vec<Rule<usize>> = given
        .iter()
        .enumerate()
        .filter_map(|(storage, (prefix, subdir))| {
            let prefix = Directory::parse(prefix).ok()?;
            let subdir = match subdir {
                Some(subdir) => Some(RelativePath::parse(subdir).ok()?),
                None => None,
            };
            Some(Rule { prefix, storage, subdir })
        })
        .collect();
    let Ok(path) = AbsolutePath::parse(path) else { return };
    let whole = path.as_bytes().to_vec();
    let covers = |rule: &&Rule<usize>| whole.starts_with(rule.prefix.as_bytes());
    match first_match(&rules, path) {
        Ok((rule, inside)) => {
            assert_eq!(Some(rule), rules.iter().find(covers), "the first");
            let rest = &whole[rule.prefix.as_bytes().len()..];
            let expected = match &rule.subdir {
                Some(subdir) => [subdir.as_bytes(), b"/", rest].concat(),
                None => rest.to_vec(),
            };
            assert_eq!(inside.as_bytes(), expected);
        }
        Err(_) => {
            let first = rules.iter().find(covers);
            assert!(first.is_none_or(|rule| rule.subdir.is_some() || whole == rule.prefix.as_bytes()));
        }
    }
});
