//! The frame of every page: head, menu, foot.

use crate::html::escaped;

/// The pages of a site, for their menus.
pub struct Site {
    /// The run's name.
    pub run: String,
    /// The notebooks' names, titles and questions, in reading order.
    pub notebooks: Vec<(String, String, String)>,
    /// Whether Plotly lies in the folder.
    pub has_plotly: bool,
}

/// One page.
pub struct Page<'a> {
    /// Its file without `.html`.
    pub file: &'a str,
    /// Its title.
    pub title: &'a str,
    /// A word for the style sheet.
    pub class: &'a str,
    /// Its content.
    pub body: &'a str,
    /// Scripts beside those that every page has.
    pub scripts: &'a [&'a str],
}

/// Nothing is taken from elsewhere, and no script that does not lie in the folder runs.
const POLICY: &str = "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; \
                      img-src 'self' file: data: blob:; font-src data:; base-uri 'none'; form-action 'none'";

impl Site {
    /// A page as HTML.
    pub fn html(&self, page: &Page) -> String {
        let Page { file, title, class, body, scripts } = page;
        let run = escaped(&self.run);
        let scripts: String =
            scripts.iter().map(|script| format!("<script src=\"assets/{script}\" defer></script>\n")).collect();
        let plotly = if self.has_plotly { " data-plotly=\"assets/plotly.min.js\"" } else { "" };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <title>{} · {run} · stagediff</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"assets/site.css\">\n\
             <script src=\"assets/theme.js\"></script>\n<script src=\"assets/page.js\" defer></script>\n{scripts}</head>\n\
             <body class=\"{class}\"{plotly}>\n<a class=\"skip\" href=\"#content\">Skip to content</a>\n{}\
             <main id=\"content\">\n{body}\n</main>\n\
             <footer class=\"foot\">Made by stagediff from the tables of the run <bdi>{run}</bdi>. Nothing on this page comes \
             from a network.</footer>\n</body>\n</html>\n",
            escaped(title),
            self.menu(file),
        )
    }

    fn menu(&self, here: &str) -> String {
        let current = |file: &str| if file == here { " aria-current=\"page\"" } else { "" };
        let link = |file: &str, words: &str| format!("<a href=\"{file}.html\"{}>{words}</a>", current(file));
        let is_notebook = self.notebooks.iter().any(|(name, ..)| name == here);
        let notebooks: String = self
            .notebooks
            .iter()
            .map(|(name, title, _)| format!("<li>{}</li>", link(name, &numbered(name, title))))
            .collect();
        let notebooks = match self.notebooks.is_empty() {
            true => String::new(),
            false => format!(
                "<details class=\"menu\"><summary{}>Notebooks</summary><ol>{notebooks}</ol></details>",
                if is_notebook { " class=\"here\"" } else { "" }
            ),
        };
        format!(
            "<header class=\"bar\"><nav aria-label=\"Pages\"><a class=\"brand\" href=\"index.html\">stagediff<span> · \
             <bdi>{}</bdi></span></a>{}{}{notebooks}</nav>\
             <button type=\"button\" class=\"theme\" hidden>Theme</button></header>\n",
            escaped(&self.run),
            link("index", "Overview"),
            link("latents", "Latents"),
        )
    }

    /// Links to the pages before and after a notebook.
    pub fn neighbours(&self, name: &str) -> String {
        let Some(place) = self.notebooks.iter().position(|(known, ..)| known == name) else { return String::new() };
        let link = |at: Option<&(String, String, String)>, rel: &str, arrow: fn(&str) -> String| {
            let (file, words) = match at {
                Some((name, title, _)) => (name.as_str(), numbered(name, title)),
                None => ("index", "Overview".into()),
            };
            format!("<a rel=\"{rel}\" href=\"{file}.html\">{}</a>", arrow(&words))
        };
        let before = place.checked_sub(1).and_then(|place| self.notebooks.get(place));
        format!(
            "<nav class=\"neighbours\" aria-label=\"Neighbouring notebooks\">{}{}</nav>",
            link(before, "prev", |words| format!("← {words}")),
            link(self.notebooks.get(place + 1), "next", |words| format!("{words} →"))
        )
    }
}

/// `08 · Rotation`.
fn numbered(name: &str, title: &str) -> String {
    format!("<span class=\"no\">{}</span> {}", escaped(name.split('_').next().unwrap_or_default()), escaped(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let notebook = |name: &str, title: &str| (name.to_string(), title.to_string(), "why?".to_string());
        let notebooks = vec![notebook("01_stories", "Stories"), notebook("08_rotation", "Rotation")];
        Site { run: "<run>".into(), notebooks, has_plotly: true }
    }

    #[test]
    fn a_page_leads_to_every_other() {
        let page = Page { file: "08_rotation", title: "</title>", class: "notebook", body: "", scripts: &[] };
        let html = site().html(&page);
        for href in ["index.html", "latents.html", "01_stories.html", "08_rotation.html\" aria-current=\"page"] {
            assert!(html.contains(&format!("href=\"{href}\"")), "{href}");
        }
        assert!(!html.contains("<run>") && html.matches("</title>").count() == 1);
        assert!(!html.contains("http://") && !html.contains("https://"), "nothing comes from elsewhere");
    }

    #[test]
    fn the_first_notebook_comes_after_the_overview_and_the_last_leads_back() {
        assert!(site().neighbours("01_stories").contains("rel=\"prev\" href=\"index.html\""));
        let last = site().neighbours("08_rotation");
        assert!(
            last.contains("rel=\"prev\" href=\"01_stories.html\"") && last.contains("rel=\"next\" href=\"index.html\"")
        );
    }
}
