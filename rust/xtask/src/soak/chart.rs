//! Lines over time as SVG.

use super::growth::Series;
use crate::bench::chart::text;

pub struct Panel {
    pub title: &'static str,
    pub lines: Vec<(&'static str, Series)>,
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const HEIGHT: f64 = 130.0;
const HEAD: f64 = 44.0;
const FOOT: f64 = 26.0;
const COLOURS: [&str; 2] = ["#1f6feb", "#9aa5b1"];

pub fn svg(subtitle: &str, minutes: f64, panels: &[Panel]) -> String {
    let mut body = text(10.0, 22.0, "start", "11", subtitle);
    let mut top = 34.0;
    for panel in panels {
        panel.draw(&mut body, top, minutes);
        top += HEAD + HEIGHT + FOOT;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top:.0}\" font-family=\"sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

impl Panel {
    fn draw(&self, out: &mut String, top: f64, minutes: f64) {
        let values = self.lines.iter().flat_map(|(_, line)| line).map(|(_, value)| *value);
        let highest = values.fold(f64::MIN_POSITIVE, f64::max);
        let (x, bottom) =
            (|at: f64| LEFT + at / 60.0 / minutes * (WIDTH - LEFT - RIGHT), top + HEAD + HEIGHT);
        let y = |value: f64| bottom - value / highest * HEIGHT;
        out.push_str(&text(10.0, top + 18.0, "start", "15", self.title));
        for (value, at) in [(0.0, bottom), (highest, y(highest))] {
            out.push_str(&line(&[(LEFT, at), (WIDTH - RIGHT, at)], "#d0d7de"));
            out.push_str(&text(LEFT - 6.0, at + 4.0, "end", "11", &format!("{value:.0}")));
        }
        for (share, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
            let label = format!("{:.0} min", minutes * share);
            out.push_str(&text(x(minutes * share * 60.0), bottom + 15.0, anchor, "11", &label));
        }
        let mut name_at = LEFT;
        for ((name, values), colour) in self.lines.iter().zip(COLOURS) {
            out.push_str(&line(&[(name_at, top + 30.0), (name_at + 14.0, top + 30.0)], colour));
            out.push_str(&text(name_at + 18.0, top + 34.0, "start", "12", name));
            name_at += 180.0;
            let points: Vec<_> = values.iter().map(|(at, value)| (x(*at), y(*value))).collect();
            out.push_str(&line(&points, colour));
        }
    }
}

fn line(points: &[(f64, f64)], colour: &str) -> String {
    let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    format!("<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>\n", points.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_from_edge_to_edge() {
        let lines = vec![("a & b", vec![(0.0, 5.0), (60.0, 0.0), (120.0, 10.0)])];
        let chart = svg("x < y", 2.0, &[Panel { title: "t", lines }]);
        assert!(chart.contains("points=\"70.0,143.0 435.0,208.0 800.0,78.0\""), "{chart}");
        assert!(
            chart.contains("a &amp; b") && chart.contains("x &lt; y") && chart.contains(">2 min<"),
            "{chart}"
        );
    }
}
