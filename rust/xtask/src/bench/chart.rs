//! Stacked bars as SVG, for a browser or a Markdown page, without a script.

pub struct Panel {
    pub title: &'static str,
    /// Names of a bar's two parts.
    pub parts: [&'static str; 2],
    /// Of the figures shown.
    pub decimals: usize,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub label: String,
    pub parts: [f64; 2],
}

const WIDTH: f64 = 820.0;
const LABELS: f64 = 200.0;
/// For the figure behind the longest bar.
const FIGURES: f64 = 70.0;
const ROW: f64 = 26.0;
const HEAD: f64 = 62.0;
const TOP: f64 = 40.0;
const COLOURS: [&str; 2] = ["#9aa5b1", "#1f6feb"];

pub fn svg(subtitle: &str, panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for panel in panels {
        panel.draw(&mut body, y);
        y += HEAD + panel.bars.len() as f64 * ROW;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}{body}</svg>\n",
        y + 10.0,
        text(10.0, 22.0, "start", "11", subtitle)
    )
}

impl Panel {
    fn draw(&self, out: &mut String, top: f64) {
        out.push_str(&text(10.0, top + 20.0, "start", "15", self.title));
        let mut x = LABELS;
        for (part, colour) in self.parts.iter().zip(COLOURS) {
            out.push_str(&rect(x, top + 31.0, 11.0, 11.0, colour));
            out.push_str(&text(x + 16.0, top + 41.0, "start", "12", part));
            x += 180.0;
        }
        let longest = self.bars.iter().map(Bar::length).fold(f64::MIN_POSITIVE, f64::max);
        let scale = (WIDTH - LABELS - FIGURES) / longest;
        for (row, bar) in self.bars.iter().enumerate() {
            let y = top + HEAD - 10.0 + row as f64 * ROW;
            out.push_str(&text(LABELS - 8.0, y + 14.0, "end", "13", &bar.label));
            let mut x = LABELS;
            for (part, colour) in bar.parts.iter().zip(COLOURS) {
                let width = part.max(0.0) * scale;
                out.push_str(&rect(x, y, width, ROW - 7.0, colour));
                x += width;
            }
            let figure = format!("{:.*}", self.decimals, bar.length());
            out.push_str(&text(x + 6.0, y + 14.0, "start", "13", &figure));
        }
    }
}

impl Bar {
    /// A sink may seem to cost less than its floor, by noise.
    fn length(&self) -> f64 {
        self.parts.iter().sum::<f64>().max(0.0)
    }
}

pub fn rect(x: f64, y: f64, width: f64, height: f64, colour: &str) -> String {
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>\n"
    )
}

pub fn text(x: f64, y: f64, anchor: &str, size: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_figures_say() {
        let bar = |label: &str, parts| Bar { label: label.into(), parts };
        let bars = vec![bar("a & b", [1.0, 3.0]), bar("c", [2.0, 0.0]), bar("noise", [1.0, -0.5])];
        let chart = svg("x < y", &[Panel { title: "t", parts: ["floor", "own"], decimals: 1, bars }]);
        let widths: Vec<f64> = chart
            .lines()
            .filter(|line| line.contains("height=\"19.0\""))
            .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths, [137.5, 412.5, 275.0, 0.0, 137.5, 0.0]);
        assert!(
            chart.contains("a &amp; b") && chart.contains("x &lt; y") && chart.contains(">4.0<"),
            "{chart}"
        );
        assert!(chart.contains(">0.5<"), "{chart}");
        assert!(!chart.contains("script"));
    }
}
