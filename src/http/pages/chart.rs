//! Bars over time as SVG. Colours are told apart by the stylesheet, which knows those that are written here.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// As drawn; it grows and shrinks with the page.
const SIZE: (u32, u32) = (380, 210);
const SERIES: [RGBColor; 3] = [
    RGBColor(0x0a, 0x66, 0x50),
    RGBColor(0xb4, 0x54, 0x2a),
    RGBColor(0x3f, 0x6f, 0xa8),
];
const GRID: RGBColor = RGBColor(0xdc, 0xda, 0xd1);
const INK: RGBColor = RGBColor(0x55, 0x62, 0x5b);
const FONT: (&str, i32) = ("sans-serif", 17);
/// What is free beside a bar, of the room that it has.
const GAP: f64 = 0.12;

/// More than this nobody counts; an axis has to have room above it.
const HIGHEST: i64 = 1_000_000_000_000_000;

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// A stack of bars for each place, each series on the one before, beginning with the colour `first`; `marks` stand
/// below their places. Empty if it can't be drawn: the numbers are in a table as well.
pub fn stacked_bars(series: &[Vec<i64>], first: usize, marks: &[(usize, String)]) -> String {
    let mut svg = String::new();
    match draw(&mut svg, series, first, marks) {
        Ok(()) => svg,
        Err(_) => String::new(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place among a few bars")]
fn draw(svg: &mut String, series: &[Vec<i64>], first: usize, marks: &[(usize, String)]) -> Drawn {
    let places = series.iter().map(Vec::len).max().unwrap_or(0);
    let at =
        |values: &Vec<i64>, place: usize| values.get(place).copied().unwrap_or(0).clamp(0, HIGHEST);
    let stack = |place| series.iter().map(|values| at(values, place)).sum::<i64>();
    let highest = (0..places).map(stack).max().unwrap_or(0);
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin_top(10)
        .margin_right(6)
        .set_label_area_size(LabelAreaPosition::Left, 52)
        .set_label_area_size(LabelAreaPosition::Bottom, 26)
        .build_cartesian_2d(0.0..places.max(1) as f64, 0..highest.max(4) + highest / 20)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        // Where the bold ones are: with none at all it would count for ever.
        .max_light_lines(1)
        .light_line_style(GRID)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .set_all_tick_mark_size(0)
        .set_tick_mark_size(LabelAreaPosition::Left, 6)
        .x_labels(0)
        .y_labels(6)
        .y_label_formatter(&|value| short(*value))
        .label_style(FONT.into_font().color(&INK))
        .draw()?;
    for place in 0..places {
        let (left, right) = (place as f64 + GAP, (place + 1) as f64 - GAP);
        let mut floor = 0;
        for (values, colour) in series.iter().zip(SERIES.into_iter().skip(first)) {
            let top = floor + at(values, place);
            if top > floor {
                let bar = Rectangle::new([(left, top), (right, floor)], colour.filled());
                chart.draw_series(std::iter::once(bar))?;
            }
            floor = top;
        }
    }
    for (place, text) in marks {
        let (x, y) = chart.backend_coord(&(*place as f64, 0));
        let style = FONT
            .into_font()
            .color(&INK)
            .pos(Pos::new(HPos::Left, VPos::Top));
        area.draw(&Text::new(text.as_str(), (x, y + 7), style))?;
    }
    area.present()?;
    Ok(())
}

/// A number in the room that an axis has.
fn short(value: i64) -> String {
    match value {
        1_000_000.. => tenths(value, 1_000_000, "M"),
        10_000.. => tenths(value, 1000, "k"),
        _ => number(value),
    }
}

fn tenths(value: i64, unit: i64, name: &str) -> String {
    let tenths = value * 10 / unit;
    match tenths % 10 {
        0 => format!("{}{name}", number(tenths / 10)),
        rest => format!("{}.{rest}{name}", number(tenths / 10)),
    }
}

/// A number as people read it: `12,345`.
pub fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::{number, short, stacked_bars};

    #[test]
    fn numbers_are_grouped_and_shortened() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
        for (value, text) in [(9999, "9,999"), (12_500, "12.5k"), (2_000_000, "2M")] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_bar_is_drawn_for_each_number_that_is_not_0() {
        let marks = [(0, "<b>&\"".to_owned())];
        let svg = stacked_bars(&[vec![1, 0, 5], vec![0, 0, 2]], 0, &marks);
        assert_eq!(svg.matches("fill=\"#0A6650\"").count(), 2, "{svg}");
        assert_eq!(svg.matches("fill=\"#B4542A\"").count(), 1, "{svg}");
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
        assert!(!svg.contains("style="), "{svg}");
        for empty in [
            vec![],
            vec![vec![]],
            vec![vec![0, 0]],
            vec![vec![i64::MAX / 4, -5]],
        ] {
            assert!(stacked_bars(&empty, 0, &[]).contains("</svg>"), "{empty:?}");
        }
    }
}
