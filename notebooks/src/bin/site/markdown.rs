//! The prose of notebooks as HTML. Tags in it are text: sentences are made of data.

use crate::html::escaped;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

/// Where a link of a notebook leads on the site: another page, somewhere outside, or nowhere.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A cell of prose. Headings get names, so that they can be linked to.
pub fn html(markdown: &str, resolve: Resolve) -> String {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut events = Vec::new();
    // whether each open link leads anywhere
    let mut open_links: Vec<bool> = Vec::new();
    for event in parser {
        let shown = match event {
            // questions and expectations stand in lines of their own
            Event::SoftBreak => Event::HardBreak,
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let target = resolve(&dest_url).filter(|target| is_harmless(target));
                open_links.push(target.is_some());
                match target {
                    Some(target) => Event::Start(Tag::Link { link_type, dest_url: target.into(), title, id }),
                    None => tag("<span class=\"absent\" title=\"not part of this run\">"),
                }
            }
            Event::End(TagEnd::Link) if !open_links.pop().unwrap_or(true) => tag("</span>"),
            // a picture of another place would be a request: its words are left
            Event::Start(Tag::Image { .. }) => tag("<span>"),
            Event::End(TagEnd::Image) => tag("</span>"),
            Event::Start(Tag::Table(_)) => {
                events.push(tag("<div class=\"scroll\">"));
                event
            }
            Event::End(TagEnd::Table) => {
                events.push(event);
                tag("</div>")
            }
            other => other,
        };
        events.push(shown);
    }
    let mut html = String::new();
    push_html(&mut html, events.into_iter());
    with_anchors(&html)
}

fn tag(html: &'static str) -> Event<'static> {
    Event::InlineHtml(CowStr::Borrowed(html))
}

/// A page of ours, a place in it, or the web.
fn is_harmless(target: &str) -> bool {
    let scheme = target.split(['/', '#', '?']).next().unwrap_or("");
    !scheme.contains(':') || target.starts_with("https:") || target.starts_with("http:")
}

/// Headings of the second level with names made of their words.
fn with_anchors(html: &str) -> String {
    html.split("<h2>").enumerate().fold(String::new(), |all, (place, part)| match (place, part.split_once("</h2>")) {
        (0, _) | (_, None) => all + part,
        (_, Some((title, rest))) => format!("{all}<h2 id=\"{}\">{title}</h2>{rest}", anchor(&plain(title))),
    })
}

/// The titles of the second level, each with its name.
pub fn headings(markdown: &str) -> Vec<(String, String)> {
    let titles = markdown.lines().filter_map(|line| line.strip_prefix("## "));
    titles.map(|title| (anchor(title), title.replace(['`', '*'], ""))).collect()
}

/// A name for a heading: its letters and digits.
fn anchor(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The text of some HTML that this file made.
fn plain(html: &str) -> String {
    let parts = html.split('<').enumerate();
    parts
        .map(|(place, part)| if place == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) })
        .collect()
}

/// One line of prose without its paragraph.
pub fn line(markdown: &str, resolve: Resolve) -> String {
    let html = html(markdown, resolve);
    html.trim()
        .strip_prefix("<p>")
        .and_then(|html| html.strip_suffix("</p>"))
        .map_or_else(|| escaped(markdown), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plainly(markdown: &str) -> String {
        html(markdown, &|target| Some(target.to_string()))
    }

    #[test]
    fn tags_of_data_are_text_and_links_are_harmless() {
        for hostile in ["<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "<b onclick=alert(1)>x</b>"] {
            let html = plainly(hostile);
            assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b "), "{html}");
        }
        for target in ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "file:///etc/passwd"] {
            let html = plainly(&format!("[a]({target})"));
            assert!(!html.contains("href"), "{html}");
        }
        let picture = plainly("![a](https://example.org/a.png)");
        assert!(!picture.contains("<img"), "{picture}");
    }

    #[test]
    fn a_link_to_what_a_run_lacks_is_words() {
        let resolve = |target: &str| (target != "09_recipes.ipynb").then(|| target.replace(".ipynb", ".html"));
        let html = html("[08](08_rotation.ipynb) and [09](09_recipes.ipynb)", &resolve);
        assert!(html.contains("href=\"08_rotation.html\"") && html.contains("class=\"absent\""), "{html}");
        assert!(!html.contains("09_recipes"), "{html}");
    }

    #[test]
    fn headings_can_be_linked_to() {
        assert_eq!(headings("# T\n\n## 1. What `x` is\ntext"), [("1-what-x-is".into(), "1. What x is".into())]);
        assert!(plainly("## 1. What `x` is").contains("<h2 id=\"1-what-x-is\">1. What <code>x</code> is</h2>"));
    }
}
