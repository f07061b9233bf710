//! Every command in the documents runs, or, where it needs what a test machine lacks, at least has a
//! subcommand and flags that `nrp` knows.
//!
//! A fenced block that starts with ```` ```sh ```` runs as a script of bash, the blocks of a page one after
//! the other in a directory of the page's own. That directory has `sweeps/`, `deploy/` and `worker/` of the
//! checkout, the results of the README's first command in `.nrp/state`, small recordings (`V4.npy`,
//! `stimuli.csv`, `images/`), and every block that starts with ```` ```toml file=NAME ````. A block that
//! starts with ```` ```sh no-run="reason" ````, a `console` block and a `nrp` command within a sentence are
//! parsed only.

use crate::harness::{Place, lab_recordings, shared_cache};
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block of a page.
struct Block {
    /// Line of the page on which the block starts, counted from 1.
    line: usize,
    language: String,
    /// What follows the language on the fence.
    info: String,
    text: String,
}

impl Block {
    /// Why the block is not run, where its fence says so.
    fn reason(&self) -> Option<&str> {
        self.info.strip_prefix("no-run=\"")?.strip_suffix('"')
    }
}

/// A page with its fenced blocks and, apart from those, its prose.
struct Page {
    /// Path from the checkout.
    name: String,
    blocks: Vec<Block>,
    prose: Vec<(usize, String)>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let mut page = Self {
            name: path.strip_prefix(checkout()).unwrap().display().to_string(),
            blocks: Vec::new(),
            prose: Vec::new(),
        };
        let mut open = false;
        for (index, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
            // A fence has no further back quotes; text in back quotes may start with three, too.
            let fence = line.trim_start().strip_prefix("```");
            match fence.filter(|fence| !fence.contains('`')) {
                Some(_) if open => open = false,
                Some(fence) => {
                    open = true;
                    let (language, info) = fence.split_once(' ').unwrap_or((fence, ""));
                    page.blocks.push(Block {
                        line: index + 1,
                        language: language.to_owned(),
                        info: info.to_owned(),
                        text: String::new(),
                    });
                }
                None if open => {
                    let block = page.blocks.last_mut().unwrap();
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => page.prose.push((index + 1, line.to_owned())),
            }
        }
        assert!(!open, "{}: a fence is never closed", page.name);
        page
    }

    /// The page's name with a line of it.
    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }
}

/// Every page of the documentation, in alphabetical order.
fn pages() -> Vec<Page> {
    let mut files = vec![
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ]
    .into_iter()
    .map(|file| checkout().join(file))
    .collect::<Vec<_>>();
    for folder in ["docs", "docs/design", "docs/results"] {
        let mut found: Vec<PathBuf> = std::fs::read_dir(checkout().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
        found.sort();
        files.extend(found);
    }
    files.iter().map(|file| Page::read(file)).collect()
}

/// A directory that has what the commands of a page start from.
fn page_directory(results: Option<&Path>) -> Place {
    let place = Place::new();
    for name in ["sweeps", "deploy", "worker"] {
        symlink(checkout().join(name), place.path(name)).unwrap();
    }
    std::fs::create_dir_all(shared_cache()).unwrap();
    std::fs::create_dir(place.path(".nrp")).unwrap();
    symlink(shared_cache(), place.path(".nrp/cache")).unwrap();
    if let Some(results) = results {
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(results).arg(place.path(".nrp/state"));
        assert!(copy.status().unwrap().success());
    }
    lab_recordings(&place, 40);
    place
}

/// Runs `script` as a reader would, with `nrp` on the path. Processes that it leaves are ended.
fn run(place: &Place, script: &str) -> Output {
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}");
    let nrp = Path::new(env!("CARGO_BIN_EXE_nrp")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(
        [nrp.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&path)),
    );
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(place.directory.path())
        .env("PATH", path.unwrap_or_else(|_| OsString::new()))
        .env_remove("NRP_COORDINATOR")
        .env_remove("NRP_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The README's first command, as it runs from an installed `nrp`.
const FIRST_COMMAND: &str = "nrp run sweeps/quickstart.toml";

/// Runs the blocks of a page in their order; adds what failed, with what was printed, to `failures`.
fn run_page(page: &Page, results: &Path, failures: &mut Vec<String>) {
    let place = page_directory(Some(results));
    for block in &page.blocks {
        if let Some(file) = block.info.strip_prefix("file=") {
            place.write(file, &block.text);
        }
        if block.language != "sh" {
            continue;
        }
        if let Some(reason) = block.reason() {
            eprintln!("not run: {}, which {reason}", page.at(block.line));
            continue;
        }
        // `.ci/run` runs the quick start as it stands there.
        if block.text.starts_with("cargo ") {
            continue;
        }
        let output = run(&place, &block.text);
        if !output.status.success() {
            failures.push(format!(
                "{}: {}\n{}{}",
                page.at(block.line),
                output.status,
                block.text,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
}

#[test]
fn every_command_in_the_docs_runs() {
    let first = page_directory(None);
    let output = run(&first, FIRST_COMMAND);
    assert!(
        output.status.success(),
        "`{FIRST_COMMAND}`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut failures = Vec::new();
    let mut scripts = 0;
    for page in pages() {
        scripts += page
            .blocks
            .iter()
            .filter(|block| block.language == "sh")
            .count();
        run_page(&page, &first.path(".nrp/state"), &mut failures);
    }
    assert!(scripts > 20, "only {scripts} blocks of commands were found");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The words of a line of shell: quotes are removed, a comment ends it, and `;`, `|` and `&` are words.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, ';' | '|' | '&') => {
                words.extend(word.take());
                words.push(letter.to_string());
            }
            (Some(_) | None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// The commands of a script, each as its words: prompts, variables before a command, pipes and
/// redirections are removed.
fn commands(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        let line = line.trim_start().trim_start_matches("$ ");
        let words = words(line);
        let breaks =
            |word: &String| ["|", ";", "&", "do", "done", "until"].contains(&word.as_str());
        for command in words.split(breaks) {
            let end = command.iter().position(|word| word.starts_with('>'));
            let command = &command[..end.unwrap_or(command.len())];
            let start = command.iter().position(|word| !word.contains('='));
            found.extend(start.map(|start| command[start..].to_vec()));
        }
    }
    found
}

/// The `nrp` commands within the sentences of a page: what stands between back quotes.
fn commands_in_prose(page: &Page) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let lines = page.prose.iter().map(|(line, _)| *line);
    // A command may be broken at the end of a line, never at the end of a paragraph.
    let mut text = String::new();
    let mut starts = Vec::new();
    for (line, (_, prose)) in lines.zip(&page.prose) {
        starts.push((text.len(), line));
        text.push_str(prose);
        text.push('\n');
    }
    for paragraph in text.split("\n\n") {
        let offset = paragraph.as_ptr() as usize - text.as_ptr() as usize;
        let mut at = offset;
        for (index, span) in paragraph.split('`').enumerate() {
            if index % 2 == 1 && span.starts_with("nrp ") {
                let line = starts
                    .iter()
                    .rev()
                    .find(|(start, _)| *start <= at)
                    .unwrap()
                    .1;
                found.push((line, words(&span.replace('\n', " "))));
            }
            at += span.len() + 1;
        }
    }
    found
}

/// What `nrp` says against a command line, if anything; nothing runs.
fn refused(place: &Place, command: &[String]) -> Option<String> {
    // Whatever stands before `--help` is parsed before the help is printed.
    let output = place.nrp(&[]).args(command).arg("--help").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

#[test]
fn every_flag_and_subcommand_in_the_docs_exists() {
    let place = Place::new();
    let recipes = std::fs::read_to_string(checkout().join("justfile")).unwrap();
    let mut failures = Vec::new();
    let mut parsed = 0;
    for page in pages() {
        let blocks = page.blocks.iter();
        let blocks = blocks.filter(|block| ["sh", "console"].contains(&block.language.as_str()));
        let fenced = blocks.flat_map(|block| {
            let commands = commands(&block.text).into_iter();
            commands.map(|command| (block.line, command))
        });
        let prose = commands_in_prose(&page);
        for (line, command) in fenced.chain(prose) {
            let said = match command[0].as_str() {
                "nrp" => refused(&place, &command[1..]),
                "cargo" if command[1..].starts_with(&["run".to_owned(), "--".to_owned()]) => {
                    refused(&place, &command[3..])
                }
                "just" => {
                    let recipe = command.get(1).map_or("", String::as_str);
                    let starts = |line: &str| {
                        let rest = line.strip_prefix(recipe);
                        rest.is_some_and(|rest| rest.starts_with([':', ' ']))
                    };
                    let known = recipes.lines().any(starts);
                    (!known).then(|| "the justfile has no such recipe\n".to_owned())
                }
                _ => continue,
            };
            parsed += 1;
            if let Some(said) = said {
                failures.push(format!("{}: {}\n{said}", page.at(line), command.join(" ")));
            }
        }
    }
    assert!(parsed > 100, "only {parsed} commands were found");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_unknown_flag_or_subcommand_is_found() {
    let place = Place::new();
    let refused = |command: &str| refused(&place, &words(command)).is_some();
    assert!(!refused("best --top 3 --where \"l1=16\""));
    assert!(refused("best --topp 3"));
    assert!(refused("best --top three"));
    assert!(refused("sweep stat"));
    assert!(refused("store backup here there"));
    let script = "A=1 nrp best \\\n  --top 3 | head # nrp none\nnrp trials > trials.csv; just tch";
    let found = commands(script);
    let found: Vec<String> = found.iter().map(|words| words.join(" ")).collect();
    assert_eq!(
        found,
        ["nrp best --top 3", "head", "nrp trials", "just tch"]
    );
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = checkout().join(&page.name);
        let folder = folder.parent().unwrap();
        for (line, prose) in &page.prose {
            for target in prose.split("](").skip(1) {
                let target = target.split(')').next().unwrap();
                if target.contains("://") {
                    continue;
                }
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() {
                    checkout().join(&page.name)
                } else {
                    folder.join(file)
                };
                let known = path.exists()
                    && (anchor.is_empty() || headings(&path).contains(&anchor.to_owned()));
                if !known {
                    broken.push(format!("{}: {target}", page.at(*line)));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links that lead nowhere:\n{}",
        broken.join("\n")
    );
}

/// The anchors of a page's headings, as GitHub names them.
fn headings(path: &Path) -> Vec<String> {
    let page = Page::read(&path.canonicalize().unwrap());
    let headings = page.prose.iter().filter(|(_, line)| line.starts_with('#'));
    let anchor = |line: &String| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let letters = text
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        letters.collect::<String>().replace(' ', "-")
    };
    headings.map(|(_, line)| anchor(line)).collect()
}

/// Paths that a page names between back quotes, with `{a,b}` written out.
fn paths(page: &Page) -> Vec<(usize, String)> {
    const ROOMS: [&str; 9] = [
        "client/",
        "coordinator/",
        "deploy/",
        "docs/",
        "proto/",
        "report/src/",
        "sweeps/",
        "tests/",
        "worker/",
    ];
    let is_path = |span: &&str| {
        let known = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        ROOMS.iter().any(|room| span.starts_with(room))
            && span
                .chars()
                .all(|letter| known(letter) || "/_.-{},".contains(letter))
    };
    let mut found = Vec::new();
    for (line, prose) in &page.prose {
        for span in prose.split('`').skip(1).step_by(2).filter(is_path) {
            let Some((before, rest)) = span.split_once('{') else {
                found.push((*line, span.to_owned()));
                continue;
            };
            let (choices, after) = rest.split_once('}').unwrap();
            let choices = choices.split(',');
            found.extend(choices.map(|of| (*line, format!("{before}{of}{after}"))));
        }
    }
    found
}

#[test]
fn paths_that_the_docs_name_exist() {
    let mut missing = Vec::new();
    let mut found = 0;
    for page in pages() {
        for (line, path) in paths(&page) {
            found += 1;
            if !checkout().join(&path).exists() {
                missing.push(format!("{}: `{path}`", page.at(line)));
            }
        }
    }
    assert!(found > 20, "only {found} paths were found");
    assert!(
        missing.is_empty(),
        "paths that do not exist:\n{}",
        missing.join("\n")
    );
}
