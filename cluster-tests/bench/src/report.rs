//! The report: every figure with its goal, as JSON for machines and as a table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

/// What a figure must reach.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// Not below.
    AtLeast(f64),
    /// Below.
    Under(f64),
    /// Shown for information.
    None,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What it must reach.
    pub(crate) goal: Goal,
    /// What lies behind it: the figures it was derived from.
    pub(crate) detail: serde_json::Value,
}

impl Figure {
    /// Whether the goal is reached; `None` where there is none.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.goal {
            Goal::AtLeast(least) => Some(self.value >= least),
            Goal::Under(bound) => Some(self.value < bound),
            Goal::None => None,
        }
    }
}

/// All figures of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// In the order of measurement.
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn add(&mut self, figure: Figure) {
        eprintln!("{}", line(&figure));
        self.figures.push(figure);
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for figure in &self.figures {
            let _ = writeln!(table, "{}", line(figure));
        }
        table
    }

    /// Writes `report.json` and `report.txt` into the folder.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        fs::write(folder.join("report.json"), json)?;
        fs::write(folder.join("report.txt"), self.table())
    }
}

fn line(figure: &Figure) -> String {
    let goal = match figure.goal {
        Goal::AtLeast(least) => format!("at least {least}"),
        Goal::Under(bound) => format!("under {bound}"),
        Goal::None => String::new(),
    };
    let verdict = match figure.reached() {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None => "",
    };
    format!(
        "{:<52} {:>12.2} {:<12} {:<18} {}",
        figure.name, figure.value, figure.unit, goal, verdict
    )
}

/// The middle value; of an even number the lower of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, goal: Goal) -> Figure {
        Figure {
            name: "x".into(),
            value,
            unit: "s",
            goal,
            detail: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_goal_is_reached_or_missed() {
        assert_eq!(figure(2.0, Goal::AtLeast(2.0)).reached(), Some(true));
        assert_eq!(figure(1.9, Goal::AtLeast(2.0)).reached(), Some(false));
        assert_eq!(figure(2.0, Goal::Under(2.0)).reached(), Some(false));
        assert_eq!(figure(2.0, Goal::None).reached(), None);
    }

    #[test]
    fn a_missed_goal_is_shouted() {
        let mut report = Report::default();
        report.add(figure(3.0, Goal::Under(2.0)));
        assert!(report.table().contains("MISSED"));
    }

    #[test]
    fn the_median_is_a_measured_value() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0, 6.0]), 5.0);
    }
}
