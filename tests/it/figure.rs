//! Both renderings of a figure show the same data, and both are well formed whatever the texts are.

use stagediff::figure::{Bars, Figure, Histogram, Line, Panel, Points, Style};

const STAGES: [&str; 7] = ["S", "D", "M", "DF", "MF", "D0", "M0"];
const NASTY: &str = "<|endoftext|> \"it's\" & $x$ \u{0} <b>";

fn scatter() -> Figure {
    let panel = Panel::new()
        .x("cos(D, DF)")
        .y("cos(M, MF)")
        .points(Points::new("neither", [0.9, 0.95, 0.99], [0.9, 0.97, 0.98]).hover(["a", "b", "c"]))
        .points(Points::new("both", [0.2, 0.4], [0.3, 0.5]).hover([NASTY, "line one\nline two"]))
        .label(0.2, 0.3, NASTY)
        .label(0.4, 0.5, "31 HATE")
        .vline(0.7, "cut 0.7")
        .hline(0.7, "cut 0.7");
    Figure::new(NASTY).panel(panel)
}

fn bars() -> Figure {
    let panel = Panel::new()
        .y("relevant share [fraction]")
        .categories(["both", "model", "data", "neither"])
        .bars(Bars::new("DF", [0.7, 0.2, 0.1, 0.02]).ci([0.5, 0.1, 0.0, 0.01], [0.9, 0.3, 0.2, 0.03]))
        .bars(Bars::new("MF", [0.6, 0.3, 0.1, 0.02]).texts(["3 of 5", "1 of 3", "1 of 9", NASTY]))
        .hline(0.71, "published 0.71");
    Figure::new("Quadrants").panel(panel)
}

fn curves() -> Figure {
    let steps: Vec<f64> = (0..100).map(f64::from).collect();
    let panel = |title: &str| {
        let curve =
            |k: usize| Line::new(STAGES[k], steps.clone(), steps.iter().map(move |s| (k + 1) as f64 / (s + 1.0)));
        (0..7).fold(Panel::new().title(title).log_y(), |panel, k| panel.line(curve(k)))
    };
    Figure::new("Training").panel(panel("loss")).panel(panel("L0")).panel(panel("dead")).panel(panel("speed"))
}

fn histogram() -> Figure {
    let cosines = [0.05, 0.15, 0.151, 0.95, 1.0, 1.5];
    Figure::new("Cosines").panel(Panel::new().histogram(Histogram::new("DF", cosines, 10, (0.0, 1.0))))
}

fn all() -> [Figure; 5] {
    [scatter(), bars(), curves(), histogram(), Figure::new("")]
}

/// Number of elements of a kind, after a check that tags are closed in order and texts and attributes are escaped.
fn n_elements(svg: &str, kind: &str) -> usize {
    let (mut open, mut n_found, mut rest) = (Vec::new(), 0, svg.trim_end());
    while let Some(start) = rest.find('<') {
        let (text, tag) = (&rest[..start], &rest[start + 1..]);
        assert!(!text.contains('>'), "stray > in {text:?}");
        let end = tag.find('>').expect("an end of the tag");
        let (tag, after) = (&tag[..end], &tag[end + 1..]);
        for (at, _) in text.match_indices('&').chain(tag.match_indices('&')) {
            let from = if text.len() > at && text[at..].starts_with('&') { &text[at..] } else { &tag[at..] };
            let known = ["&lt;", "&gt;", "&amp;", "&quot;", "&apos;"].iter().any(|entity| from.starts_with(entity));
            assert!(known, "bare & in {from:?}");
        }
        assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "bad tag {tag:?}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        n_found += usize::from(name == kind && !tag.starts_with('/'));
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "closed out of order"),
            (false, false) => open.push(name),
            (false, true) => {}
        }
        rest = after;
    }
    assert!(open.is_empty() && rest.is_empty(), "left open: {open:?}");
    n_found
}

#[test]
fn svg_is_well_formed_xml_whatever_the_texts_are() {
    for figure in all() {
        let svg = figure.to_svg();
        assert_eq!(n_elements(&svg, "svg"), 1);
        assert!(svg.lines().all(|line| line.starts_with('<')), "every line begins an element");
        assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
    }
    assert!(scatter().to_svg().contains("&lt;|endoftext|&gt;"));
}

#[test]
fn svg_places_are_tenths_of_a_pixel_and_nothing_has_an_id() {
    for figure in all() {
        let svg = figure.to_svg();
        assert!(!svg.contains(" id=") && !svg.contains("url("), "several figures stand on one page");
        for attribute in ["x", "y", "cx", "cy", "r", "width", "height", "points", "d"] {
            let head = format!(" {attribute}=\"");
            let values = svg.split(&head).skip(1).filter_map(|rest| rest.split('"').next());
            // in paths letters and signs part numbers too
            let values = values.map(|value| match attribute {
                "d" => value.replace('-', " -").replace(|c: char| c.is_alphabetic(), " ").trim().to_string(),
                _ => value.to_string(),
            });
            let values: Vec<String> = values.collect();
            let values = values.iter().map(String::as_str);
            for number in values.flat_map(|value| value.split([' ', ','])).filter(|number| !number.is_empty()) {
                let n_decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                assert!(number.parse::<f64>().is_ok() && n_decimals <= 1 && number != "-0", "{attribute}: {number:?}");
            }
        }
    }
}

#[test]
fn both_renderings_hold_the_same_series_and_points() {
    let json = scatter().to_json();
    let n_points: usize = json["data"].as_array().unwrap().iter().map(|t| t["x"].as_array().unwrap().len()).sum();
    assert_eq!((json["data"].as_array().unwrap().len(), n_points), (2, 5));
    // One path a series and one in the legend: three sheer dots, two diamonds.
    let svg = scatter().to_svg();
    let n_marks = |path: &str| -> Vec<usize> {
        svg.lines().filter(|line| line.contains(path)).map(|line| line.matches('M').count()).collect()
    };
    assert_eq!(n_marks("stroke-linecap"), [1, 3]);
    assert_eq!(n_marks("fill=\"#aa3377\""), [1, 2]);

    assert_eq!(curves().to_json()["data"].as_array().unwrap().len(), 4 * 7);
    assert_eq!(histogram().to_json()["data"][0]["y"].as_array().unwrap().len(), 10);
    let json = bars().to_json();
    assert_eq!(json["data"][0]["y"].as_array().unwrap().len() + json["data"][1]["y"].as_array().unwrap().len(), 8);
}

#[test]
fn panels_share_one_legend() {
    let json = curves().to_json();
    let shown = json["data"].as_array().unwrap().iter().filter(|trace| trace["showlegend"] == true).count();
    assert_eq!(shown, 7);
    assert_eq!(curves().to_svg().matches(">M0</text>").count(), 1);
    assert_eq!((&json["data"][27]["xaxis"], &json["data"][27]["yaxis"]), (&"x4".into(), &"y4".into()));
}

#[test]
fn every_stage_has_its_own_colour_and_marker() {
    let styles: Vec<Style> = STAGES.iter().map(|name| Style::of(name).unwrap()).collect();
    for (idx, a) in styles.iter().enumerate() {
        for b in &styles[..idx] {
            assert!(a.color != b.color && a.marker != b.marker, "{a:?} and {b:?}");
        }
    }
    assert_eq!(Style::of("turned on both"), Style::of("both"));
    assert_eq!(Style::of("relevant in DF"), Style::of("relevant"));
    assert_eq!(Style::of("something else"), None);
}

#[test]
fn an_error_bar_reaches_from_low_to_high() {
    let json = bars().to_json();
    let error = &json["data"][0]["error_y"];
    assert_eq!(error["symmetric"], false);
    assert!((error["array"][0].as_f64().unwrap() - 0.2).abs() < 1e-9);
    assert!((error["arrayminus"][3].as_f64().unwrap() - 0.01).abs() < 1e-9);
}

#[test]
fn a_histogram_counts_both_ends_and_tells_what_it_left_out() {
    let json = histogram().to_json();
    let counts: Vec<f64> = json["data"][0]["y"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(counts, [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    assert!(histogram().to_svg().contains("outside the bins): 1</text>"));
}

#[test]
fn a_panel_without_anything_to_show_says_so() {
    let empty = Panel::new().points(Points::new("both", [0.0; 0], [0.0; 0])).hline(0.5, "published");
    let gone = Panel::new().categories(["S"]).bars(Bars::new("S", [f64::NAN]));
    let full = Panel::new().points(Points::new("both", [0.1], [0.2]));
    let figure = Figure::new("three").panel(empty).panel(gone).panel(full);
    assert_eq!(figure.to_svg().matches(">nothing to show</text>").count(), 2);
    assert_eq!(figure.to_json().to_string().matches("\"nothing to show\"").count(), 2);
}

#[test]
fn values_without_a_place_are_left_out_and_counted() {
    let points =
        Points::new("both", [0.1, f64::NAN, 0.3, 0.4], [1.0, 2.0, f64::INFINITY, -1.0]).hover(["a", "b", "c", "d"]);
    let figure = Figure::new("Log").panel(Panel::new().log_y().points(points));
    let json = figure.to_json();
    assert_eq!(json["data"][0]["x"].as_array().unwrap().len(), 1);
    assert_eq!(json["data"][0]["hovertext"], serde_json::json!(["a"]));
    assert!(figure.to_svg().contains("outside the bins): 3</text>"));
    assert!(!figure.to_svg().contains("NaN"));
}

#[test]
#[should_panic(expected = "series \"DF\" has 2 y values for 3 values")]
fn lists_of_different_lengths_panic() {
    let _ = Line::new("DF", [1.0, 2.0, 3.0], [1.0, 2.0]);
}

#[test]
fn plotly_shows_texts_as_they_are() {
    let json = scatter().to_json();
    let text = json["data"][1]["hovertext"][0].as_str().unwrap();
    assert!(text.starts_with("&lt;|endoftext|&gt;") && !text.contains('$'), "{text}");
    assert_eq!(json["data"][1]["hovertext"][1], "line one<br>line two");
}

/// Reads the bundle as evcxr does: line by line, each block ended by a line of its own.
#[test]
fn the_bundle_gives_each_mime_type_unharmed() {
    for figure in all() {
        let bundle = figure.mime_bundle();
        let mut lines = bundle.lines();
        let mut blocks = Vec::new();
        while let Some(line) = lines.next() {
            let mime = line.strip_prefix("EVCXR_BEGIN_CONTENT ").expect("nothing between blocks");
            let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "EVCXR_END_CONTENT").collect();
            blocks.push((mime, content.join("\n")));
        }
        let mimes: Vec<&str> = blocks.iter().map(|(mime, _)| *mime).collect();
        assert_eq!(mimes, ["application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"]);
        assert!(serde_json::from_str::<serde_json::Value>(&blocks[0].1).is_ok());
        assert_eq!(blocks[0].1, figure.to_json().to_string());
        assert_eq!(blocks[1].1, figure.to_svg());
        assert_eq!(blocks[2].1, format!("{figure:?}"));
    }
}

/// Places of texts of an SVG, by their letters.
fn places(svg: &str, letters: &str) -> Vec<(f64, f64)> {
    let number = |line: &str, name: &str| line.split(name).nth(1)?.split('"').next()?.parse().ok();
    let of = svg.lines().filter(|line| line.ends_with(&format!(">{letters}</text>")));
    of.filter_map(|line| Some((number(line, " x=\"")?, number(line, " y=\"")?))).collect()
}

#[test]
fn texts_above_narrow_bars_do_not_overlap() {
    let panel = || {
        let panel = Panel::new().y_range(0.0, 1.0).categories(["both", "model", "data", "neither"]);
        let bars = |name: &str| Bars::new(name, [0.5, 0.5, 0.5, 0.01]).texts(["8/23", "1/9", "4/29", "8/943"]);
        panel.bars(bars("DF")).bars(bars("MF").texts(["13/23", "2/9", "5/29", "11/943"]))
    };
    let figure = Figure::new("").panel(panel()).panel(panel()).panel(panel());
    let (first, second) = (places(&figure.to_svg(), "8/943"), places(&figure.to_svg(), "11/943"));
    assert_eq!((first.len(), second.len()), (3, 3));
    for (a, b) in first.iter().zip(&second) {
        assert!((a.0 - b.0).abs() >= 34.0 || (a.1 - b.1).abs() >= 11.0, "{a:?} and {b:?}");
    }
    let shifts = figure.to_json()["layout"]["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text["yshift"].as_f64())
        .collect::<Vec<_>>();
    assert!(shifts.iter().any(|shift| *shift > Some(20.0)), "lifted in Plotly too: {shifts:?}");
}

#[test]
fn a_category_without_bars_says_why_and_is_not_counted() {
    let panel =
        Panel::new().categories(["both", "neither"]).bars(Bars::new("DF", [f64::NAN, 0.5])).gap(0, "no latents");
    let figure = Figure::new("Quadrants").panel(panel);
    assert_eq!(places(&figure.to_svg(), "no latents").len(), 1);
    assert!(!figure.to_svg().contains("values without a place"));
    assert_eq!(figure.to_json()["layout"]["annotations"][0]["text"], "no latents");
}

#[test]
fn rings_stand_around_points_and_let_the_pointer_through() {
    let of =
        |points: Points| Figure::new("").panel(Panel::new().points(Points::new("both", [0.5], [0.5])).points(points));
    let figure = of(Points::new("relevant in DF", [0.5], [0.5]).rings());
    let json = figure.to_json();
    assert_eq!(
        (&json["data"][1]["marker"]["symbol"], &json["data"][1]["hoverinfo"]),
        (&"circle-open".into(), &"skip".into())
    );
    assert_eq!(json["data"][0]["marker"]["symbol"], "diamond");
    let rings = figure.to_svg().lines().filter(|line| line.contains("stroke=\"#006e3c\"")).count();
    assert_eq!(rings, 2, "one in the panel and one in the legend");
}

#[test]
fn the_pointer_reads_three_digits_and_the_axes_words() {
    let template = scatter().to_json()["data"][1]["hovertemplate"].as_str().unwrap().to_string();
    assert_eq!(template, "%{hovertext}<br>cos(D, DF): %{x:.3f}<br>cos(M, MF): %{y:.3f}<extra>both</extra>");
    let panel = Panel::new().x("share [%]").points(Points::new("%{x}", [10.0], [20.0]));
    let json = Figure::new("").panel(panel).to_json();
    assert_eq!(json["data"][0]["hovertemplate"], "share [&#37;]: %{x:,.4~r}<br>y: %{y:,.4~r}<extra>&#37;{x}</extra>");
}

#[test]
fn what_many_hover_texts_begin_with_is_stored_once() {
    let texts = |first: &str| (0..20).map(move |k| format!("latent {k} of $\n{first}")).collect::<Vec<String>>();
    let cloud = |texts: Vec<String>| Points::new("both", [0.5; 20], [0.5; 20]).hover(texts);
    let json = |points: Points| Figure::new("").panel(Panel::new().points(points)).to_json()["data"][0].clone();
    let many = json(cloud(texts("a")));
    assert!(
        many["hovertemplate"].as_str().unwrap().starts_with("latent %{hovertext}<br>"),
        "{}",
        many["hovertemplate"]
    );
    assert_eq!(many["hovertext"][12], "12 of &#36;<br>a");
    let odd = [vec!["no latent".to_string()], texts("a")[1..].to_vec()].concat();
    assert_eq!(json(cloud(odd))["hovertext"][12], "latent 12 of &#36;<br>a");
}

#[test]
fn a_large_cloud_is_small() {
    let places: Vec<f64> = (0..3000).map(|k| f64::from(k) * 0.61803 % 1.0).collect();
    let heights: Vec<f64> = (0..3000).map(|k| f64::from(k) * 0.41421 % 1.0).collect();
    let hover: Vec<String> = (0..3000).map(|latent| format!("latent {latent}\nDF, MF ·the ×5")).collect();
    let points = Points::new("neither", places, heights).hover(hover);
    let figure = Figure::new("Cloud").panel(Panel::new().points(points));
    assert!(figure.to_svg().len() < 60_000, "{} bytes", figure.to_svg().len());
    assert!(figure.to_json().to_string().len() < 180_000, "{} bytes", figure.to_json().to_string().len());
}

#[test]
fn a_figure_prints_itself_in_one_line() {
    assert_eq!(format!("{:?}", curves()), "Figure \"Training\" (panels: 4, series: 28, values: 2800)");
}

#[test]
fn the_same_figure_renders_to_the_same_bytes() {
    assert_eq!(curves().mime_bundle(), curves().mime_bundle());
}
