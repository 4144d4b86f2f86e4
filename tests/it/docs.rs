//! Pages that are made of data are up to date, and what the data says is whole.

use crate::support::{expect_file, root};
use guiju_validator::codes::{Page, page, pages};
use regex::Regex;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const WRITTEN_BY: &str =
    "Made of `sdk/validator/codes.toml`; `UPDATE_EXPECT=1 cargo test -p guiju-tests findings` writes it.";

#[test]
fn the_pages_of_findings_are_up_to_date() {
    let folder = root().join("docs/reference/findings");
    fs::create_dir_all(&folder).unwrap();
    let mut names: BTreeSet<String> = pages().map(|page| format!("{}.md", page.code)).collect();
    pages().for_each(|page| expect_file(&folder.join(format!("{}.md", page.code)), &of_code(page)));
    expect_file(&folder.join("README.md"), &index());
    names.insert("README.md".into());
    let files = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let stale: Vec<String> = files.filter(|name| !names.contains(name)).collect();
    assert!(stale.is_empty(), "no finding has these pages: {stale:?}");
}

fn of_code(page: &Page) -> String {
    let Page { code, severity, dimension, example, .. } = page;
    let example_zh = page.example_zh.iter().map(|example| format!("\n{example}")).collect::<String>();
    format!(
        "# `{code}`: {}\n\n{} · {severity} · {dimension} ({})\n\n{}\n\n{}\n\n\
         ## It reads\n\n```text\n{}\n{}\n```\n\n## Example\n\n```text\n{example}{example_zh}\n```\n\n## Remedy\n\n{}\n\n{}\n",
        page.title_en,
        page.title_zh,
        dimension.zh(),
        page.meaning_en,
        page.meaning_zh,
        page.message_en,
        page.message_zh,
        page.remedy_en,
        page.remedy_zh
    )
}

fn index() -> String {
    let mut text = format!(
        "# Findings\n\nEvery finding has a code that never changes its meaning. `guiju explain CODE` prints these pages. \
         Only errors make a record fail.\n{WRITTEN_BY}\n\n| code | severity | dimension | |\n|---|---|---|---|\n"
    );
    for Page { code, severity, dimension, title_en, title_zh, .. } in pages() {
        text += &format!("| [`{code}`]({code}.md) | {severity} | {dimension} | {title_en} · {title_zh} |\n");
    }
    text
}

#[test]
fn every_page_of_a_finding_is_whole() {
    assert!(pages().count() > 100, "codes.toml cannot be read");
    let places = |text: &str| -> BTreeSet<String> {
        Regex::new(r"\{([a-z_]+)\}").unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    // Words in a row outside quotes, or in brackets behind the example.
    let prose = Regex::new(r"[a-z]+ [a-z]{2,} [a-z]|\([a-z0-9 ]*[a-z]{3}").unwrap();
    let quoted = Regex::new("\"[^\"]*\"").unwrap();
    for page in pages() {
        let Page { code, message_en, message_zh, example, example_zh, .. } = page;
        let has_words = prose.is_match(&quoted.replace_all(example, ""));
        assert!(!has_words || example_zh.is_some(), "{code} has an example in words, and none in Chinese");
        let is_chinese = |text: &String| text.chars().any(|c| c >= '\u{3000}');
        assert!(example_zh.iter().all(is_chinese), "{code} has no Chinese in its Chinese example");
        assert_eq!(places(message_en), places(message_zh), "{code} names other things in Chinese");
        for text in [&page.title_en, &page.title_zh, &page.meaning_en, &page.meaning_zh, &page.example] {
            assert!(!text.trim().is_empty(), "a part of {code} is empty");
        }
        assert!(!page.remedy_en.is_empty() && !page.remedy_zh.is_empty(), "{code} has no remedy");
        assert!(!message_en.is_empty() && !message_en.ends_with('.'), "{code}: a message has no full stop");
        assert!(!message_zh.is_empty() && !message_zh.ends_with('。'), "{code}: a message has no full stop");
    }
}

#[test]
fn every_finding_that_is_made_has_a_page() {
    let sources: String =
        ["sdk/validator/src", "sdk/client/src"].iter().flat_map(|folder| rust(&root().join(folder))).collect();
    let made = Regex::new(
        r#"\b(?:finding|fault|report|limit|hit|Hit::at|Hit::new|FormatFault::error|FormatFault::warning)\(\s*"([a-z0-9]+(?:-[a-z0-9]+)+)""#,
    );
    let made: BTreeSet<String> = made.unwrap().captures_iter(&sources).map(|found| found[1].to_owned()).collect();
    let without: Vec<&String> = made.iter().filter(|code| page(code).is_none()).collect();
    assert!(made.len() > 50 && without.is_empty(), "these findings have no page in codes.toml: {without:?}");
}

#[test]
fn every_relative_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages_of_text(root()) {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&without_code(&text)) {
            let target = &found[1];
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            count += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = page.parent().unwrap().join(file);
            let leads = path.exists() && (heading.is_empty() || headings(&path).contains(heading));
            if !leads {
                broken.push(format!("{}: {target}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(count > 100, "only {count} links were found");
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

/// Every Markdown file but those of builds and of what was installed.
fn pages_of_text(folder: &Path) -> Vec<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let below = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.is_dir() {
            true if name == "target" || name == "node_modules" || name.starts_with('.') => Vec::new(),
            true => pages_of_text(path),
            false if name.ends_with(".md") => vec![path.clone()],
            false => Vec::new(),
        }
    };
    entries.iter().flat_map(below).collect()
}

/// What stands in backticks or fences is an example.
fn without_code(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    Regex::new("`[^`]*`").unwrap().replace_all(&lines.collect::<Vec<_>>().join("\n"), "code").into_owned()
}

/// The anchors of a page's headings.
fn headings(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let anchor = |line: &str| -> String {
        let plain = line.trim_start_matches('#').trim().to_lowercase();
        let kept = plain.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

fn rust(folder: &Path) -> Vec<String> {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let below = |path: &PathBuf| match path.is_dir() {
        true => rust(path),
        false if path.extension().is_some_and(|extension| extension == "rs") => vec![fs::read_to_string(path).unwrap()],
        false => Vec::new(),
    };
    entries.iter().flat_map(below).collect()
}

/// How many crates a user of the client takes in, with each set of features.
#[test]
fn the_counts_of_the_client_readme_are_up_to_date() {
    let path = root().join("sdk/client/README.md");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| match line.rsplitn(3, '|').collect::<Vec<_>>().as_slice() {
        [_, _, head] if head.contains("`default-features = false`") => {
            format!("{head}| {} |", crates(&["--no-default-features"]))
        }
        [_, _, head] if head.contains("`registry` (default)") => format!("{head}| {} |", crates(&[])),
        _ => line.to_owned(),
    });
    expect_file(&path, &(lines.collect::<Vec<_>>().join("\n") + "\n"));
}

fn crates(flags: &[&str]) -> usize {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(
        "tree --locked -p guiju -e normal --prefix none --no-dedupe --target x86_64-unknown-linux-gnu".split(' '),
    );
    let output = tree.args(flags).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // A crate may stand there with and without a remark behind its version.
    let names =
        text.lines().filter_map(|line| line.split_once(" v").map(|(name, rest)| (name, rest.split(' ').next())));
    names.collect::<BTreeSet<_>>().len()
}
