//! Tables of outputs: only what makes a table stays a tag.

use crate::html::escaped;

/// Tags that a table may hold. Their attributes are dropped, but for how a cell is aligned.
const TAGS: [&str; 12] = ["div", "table", "thead", "tbody", "tr", "th", "td", "p", "bdi", "br", "caption", "small"];

/// An output of HTML with everything that is no plain table as text.
pub fn html(given: &str) -> String {
    let mut html = String::from("<div class=\"scroll\" data-table>");
    let mut rest = given;
    while let Some(place) = rest.find('<') {
        html += &text(&rest[..place]);
        rest = &rest[place..];
        match tag(rest) {
            Some((tag, length)) => {
                html += &tag;
                rest = &rest[length..];
            }
            None => {
                html += "&lt;";
                rest = &rest[1..];
            }
        }
    }
    html + &text(rest) + "</div>"
}

/// Text that is HTML already: entities stay, quotes and stray brackets do not.
fn text(html: &str) -> String {
    escaped(html).replace("&amp;", "&").split('&').enumerate().fold(String::new(), |all, (place, part)| {
        let is_entity = part.split_once(';').is_some_and(|(name, _)| {
            (1..10).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
        });
        match place {
            0 => all + part,
            _ if is_entity => format!("{all}&{part}"),
            _ => format!("{all}&amp;{part}"),
        }
    })
}

/// The tag that some HTML begins with, if it may stand in a table, and how long it was.
fn tag(html: &str) -> Option<(String, usize)> {
    let end = html.find('>')?;
    let inside = html.get(1..end)?;
    let (slash, inside) = inside.strip_prefix('/').map_or(("", inside), |inside| ("/", inside));
    let name = inside.split([' ', '\n', '/']).next()?;
    if !TAGS.contains(&name) || inside.contains('<') {
        return None;
    }
    let is_number = slash.is_empty() && inside.contains("text-align:right");
    let class = if is_number { " class=\"number\"" } else { "" };
    Some((format!("<{slash}{name}{class}>"), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_stays_a_table() {
        let given = "<table>\n<thead><tr><th>a</th></tr></thead>\n<tbody>\n<tr><td style=\"text-align:right\">1</td>\
                     <td style=\"text-align:left\">&lt;b&gt; &amp; &#36;x</td></tr></tbody></table>\n<p>1 of 3 rows</p>";
        let html = html(given);
        assert!(html.contains("<td class=\"number\">1</td><td>&lt;b&gt; &amp; &#36;x</td>"), "{html}");
        assert!(html.contains("<p>1 of 3 rows</p></div>"), "{html}");
    }

    #[test]
    fn anything_else_is_text() {
        let hostile = [
            "<script>alert(1)</script>",
            "<td onclick=alert(1)>x</td>",
            "<img src=x onerror=alert(1)>",
            "<table<script>>",
            "<td",
            "a < b & c",
            "<iframe src=\"https://example.org\"></iframe>",
        ];
        for given in hostile {
            let html = html(given);
            let inner = html.strip_prefix("<div class=\"scroll\" data-table>").unwrap();
            for part in ["<script", "<img", "<iframe", "onclick=alert(1)>", "& c"] {
                assert!(!inner.contains(part), "{given} became {html}");
            }
        }
    }
}
