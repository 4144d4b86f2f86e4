use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    terminal::Lang,
};
use guiju_model::Severity;
use guiju_validator::{
    LintRule,
    codes::{self, Page},
    lint_rules,
    near::nearest,
};
use std::io::Write;

/// Say what a finding means and how to mend it
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The code in brackets, for example code-not-in-list; without it: all codes of findings and changes
    code: Option<String>,
}

pub fn run(args: ExplainArgs, context: &Context) -> Answer {
    let mut out = context.out();
    match args.code {
        None => list(&mut out, context.lang)?,
        Some(code) => {
            // As it stands in the output: `error[code]`, `[code]` and `code` all name it.
            let code = code.trim().trim_end_matches(']').rsplit('[').next().unwrap_or_default().to_lowercase();
            let rule = || guiju_compat::page(&code.to_uppercase());
            let lint = lint_rules().iter().find(|lint| lint.code == code);
            match (codes::page(&code), guiju_compat::page(&code).or_else(rule), lint) {
                (Some(page), ..) => explain(&mut out, page, context)?,
                (None, Some(page), _) => change(&mut out, page, context)?,
                (None, None, Some(lint)) => of_lint(&mut out, lint, context)?,
                (None, None, None) => return Err(unknown(&code)),
            }
        }
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn unknown(code: &str) -> Failure {
    let failure = Failure::new(format!("there is no finding code `{code}`"));
    let changes = guiju_compat::pages().map(|page| page.code.as_str());
    let lints = lint_rules().iter().map(|lint| lint.code);
    match nearest(code, codes::pages().map(|page| page.code.as_str()).chain(changes).chain(lints)) {
        Some(near) => failure.hint(format!("did you mean `guiju explain {near}`?")),
        None => failure.hint("`guiju explain` lists all codes"),
    }
}

fn list(out: &mut impl Write, lang: Lang) -> std::io::Result<()> {
    let width = codes::pages().map(|page| page.code.len()).max().unwrap_or_default();
    for page in codes::pages() {
        writeln!(out, "{:width$}  {:7}  {}", page.code, page.severity, title(page, lang))?;
    }
    for page in guiju_compat::pages() {
        let title = lang.pick(&page.title_en, &page.title_zh);
        writeln!(out, "{:width$}  {:7}  {title}", page.code, lang.pick("change", "改动"))?;
    }
    Ok(())
}

fn explain(out: &mut impl Write, page: &Page, context: &Context) -> std::io::Result<()> {
    let Context { lang, paint, .. } = context;
    let head = format!("{}[{}]", page.severity, page.code);
    writeln!(out, "{} {}", paint.severity(page.severity, &head), paint.strong(title(page, *lang)))?;
    let dimension = lang.pick(page.dimension.as_str(), page.dimension.zh());
    writeln!(out, "  {}: {dimension} (GB/T 36344)", lang.pick("quality dimension", "质量维度"))?;
    let parts = [
        (lang.pick("meaning", "含义"), lang.pick(&page.meaning_en, &page.meaning_zh)),
        (lang.pick("reads", "提示文字"), lang.pick(&page.message_en, &page.message_zh)),
        (lang.pick("example", "示例"), lang.pick(&page.example, page.example_zh.as_ref().unwrap_or(&page.example))),
        (lang.pick("remedy", "改法"), remedy(page, *lang)),
    ];
    for (name, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "\n{}", paint.strong(name))?;
        text.trim_end().lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(())
}

/// What a change between two versions means.
fn change(out: &mut impl Write, page: &guiju_compat::Page, context: &Context) -> std::io::Result<()> {
    let Context { lang, paint, .. } = context;
    writeln!(out, "{} {}", page.code, paint.strong(lang.pick(&page.title_en, &page.title_zh)))?;
    let parts = [
        (lang.pick("meaning", "含义"), lang.pick(&page.meaning_en, &page.meaning_zh)),
        (lang.pick("instead", "改法"), lang.pick(&page.remedy_en, &page.remedy_zh)),
    ];
    parts.into_iter().try_for_each(|(name, text)| writeln!(out, "\n{}\n  {text}", paint.strong(name)))
}

/// What `guiju lint` says to the author of a standard; the rest is in the message itself.
fn of_lint(out: &mut impl Write, lint: &LintRule, context: &Context) -> std::io::Result<()> {
    let Context { lang, paint, .. } = context;
    let meaning = match lint.severity {
        Severity::Error => lang.pick(
            "An error of `guiju lint`: it keeps a version from being published.",
            "`guiju lint` 的错误：不更正则不能发布。",
        ),
        _ => lang.pick("Advice of `guiju lint` to the author of a standard.", "`guiju lint` 给标准作者的建议。"),
    };
    writeln!(out, "{}", paint.severity(lint.severity, &format!("{}[{}]", lint.severity, lint.code)))?;
    let parts =
        [(lang.pick("meaning", "含义"), meaning), (lang.pick("reads", "提示文字"), lang.pick(lint.en, lint.zh))];
    parts.into_iter().try_for_each(|(name, text)| writeln!(out, "\n{}\n  {text}", paint.strong(name)))
}

pub fn title(page: &Page, lang: Lang) -> &str {
    lang.pick(&page.title_en, &page.title_zh)
}

pub fn remedy(page: &Page, lang: Lang) -> &str {
    lang.pick(&page.remedy_en, &page.remedy_zh)
}
