//! The commands that documents and `deploy/` show are ones that the program has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::program::Home;

/// A command as somebody is told to type it: its words up to the first option, and the options.
type Shown = (Vec<String>, BTreeSet<String>);

/// Every file that shows commands.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let mut folders = vec![root.join("docs"), root.join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// The commands in a text: lines and spans of code that begin with the program's name, and the arguments of containers.
fn commands(text: &str) -> Vec<Shown> {
    let text = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches(['#', ' ']);
        let spans = line.split('`').skip(1).step_by(2);
        for code in spans.chain([line]) {
            let code = code.rsplit("/usr/local/bin/").next().unwrap_or(code);
            let rest = code.strip_prefix("purser ").or_else(|| code.strip_prefix("purser_ "));
            found.extend(rest.and_then(|rest| shown(rest.split_whitespace())));
        }
        let arguments = ["args: [", "command: [", "CMD ["].iter().find_map(|start| line.split_once(start));
        if let Some((_, list)) = arguments.filter(|(_, list)| list.contains("\"serve\"") || list.contains("purser")) {
            let words = list.split('"').skip(1).step_by(2).filter(|word| !word.contains('/'));
            found.extend(shown(words));
        }
    }
    found
}

fn shown<'w>(words: impl Iterator<Item = &'w str>) -> Option<Shown> {
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let mut words = words.take_while(|word| !word.starts_with(['#', '|', '>', ';', ')'])).peekable();
    let mut names = Vec::new();
    while let Some(name) = words.next_if(|word| is_word(word) && !word.starts_with('-') && names.len() < 2) {
        names.push(name.to_owned());
    }
    let options = words.filter(|word| word.starts_with("--"));
    let option = |word: &str| word.split(['=', ',', ')']).next().unwrap_or(word).to_owned();
    let options: BTreeSet<String> = options.map(option).collect();
    (!names.is_empty()).then_some((names, options))
}

#[tokio::test]
async fn every_command_that_is_shown_is_one_that_the_program_has() {
    let home = Home::new().await;
    let mut helps: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let mut checked = 0;
    for file in files() {
        for (names, options) in commands(&fs::read_to_string(&file).unwrap()) {
            let mut help = None;
            // The second word may be an argument.
            for count in (1..=names.len()).rev() {
                let path = names[..count].to_vec();
                if !helps.contains_key(&path) {
                    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
                    arguments.push("--help");
                    let ended = home.run(&arguments).await;
                    helps.insert(path.clone(), (ended.code == Some(0)).then_some(ended.out));
                }
                help = help.or(helps[&path].clone());
            }
            let help = help.unwrap_or_else(|| panic!("{}: there is no `purser {}`", file.display(), names.join(" ")));
            for option in options {
                let listed = help.split_whitespace().any(|word| word.trim_end_matches(',') == option);
                assert!(listed, "{}: `purser {}` has no {option}", file.display(), names.join(" "));
            }
            checked += 1;
        }
    }
    assert!(30 < checked, "{checked}");
}

#[test]
fn commands_are_found_where_people_look_for_them() {
    let text = "purser keys issue --studio acme \\\n  --create   # makes --nothing\n    command: [\"serve\", \"--migrate\"]\n\
        so `purser verify` it, or `purser import wallet old.csv`\nCMD [\"/usr/local/bin/purser\", \"health\"]\nour purser is fine\n";
    let found = commands(text);
    let names: Vec<String> = found.iter().map(|(names, _)| names.join(" ")).collect();
    assert_eq!(names, ["keys issue", "serve", "verify", "import wallet", "health"]);
    let options: Vec<&str> = found.iter().flat_map(|(_, options)| options).map(String::as_str).collect();
    assert_eq!(options, ["--create", "--studio", "--migrate"]);
}
