//! The messages of an event file, encoded as Protocol Buffers: the parts of `event.proto`,
//! `summary.proto` and `histogram.proto` that are written here.

use crate::analysis::Distribution;

/// One message: its fields in the order in which they were added.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field's number and the kind of its encoding: 0 varint, 1 eight bytes, 2 counted bytes,
    /// 5 four bytes.
    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn integer(mut self, field: u64, value: u64) -> Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn doubles(self, field: u64, values: &[f64]) -> Self {
        let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(field, &packed)
    }
}

/// The first record of a file.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    Message::default().double(1, wall_time).bytes(3, b"brain.Event:2").0
}

/// The run continues at this step: values from this step on in other files are discarded.
pub(super) fn session_start(wall_time: f64, step: u64) -> Vec<u8> {
    let start = Message::default().integer(1, 1);
    Message::default().double(1, wall_time).integer(2, step).bytes(7, &start.0).0
}

/// A chart of several series: its title, and their tags.
pub(super) type Chart = (&'static str, &'static [&'static str]);

/// Charts that belong together, and their title.
pub(super) type Category = (&'static str, &'static [Chart]);

/// The charts of the plugin Custom Scalars: categories, their charts, and the tags of each.
pub(super) fn custom_layout(wall_time: f64, categories: &[Category]) -> Vec<u8> {
    let chart = |(title, tags): &Chart| {
        // A tag is taken as a regular expression that matches from its beginning.
        let series = tags
            .iter()
            .fold(Message::default(), |series, tag| series.bytes(1, format!("{tag}$").as_bytes()));
        Message::default().bytes(1, title.as_bytes()).bytes(2, &series.0).0
    };
    let mut layout = Message::default();
    for (title, charts) in categories {
        let category =
            charts.iter().fold(Message::default().bytes(1, title.as_bytes()), |category, of| {
                category.bytes(2, &chart(of))
            });
        layout = layout.bytes(2, &category.0);
    }
    let value = of_plugin("custom_scalars__config__", "custom_scalars", &layout.0);
    let summary = Message::default().bytes(1, &value.0);
    Message::default().double(1, wall_time).bytes(5, &summary.0).0
}

/// A text for one of TensorBoard's plugins.
fn of_plugin(tag: &str, plugin: &str, text: &[u8]) -> Message {
    const STRING: u64 = 7;
    let tensor = Message::default().integer(1, STRING).bytes(2, &[]).bytes(8, text);
    let plugin = Message::default().bytes(1, plugin.as_bytes());
    let metadata = Message::default().bytes(1, &plugin.0);
    Message::default().bytes(1, tag.as_bytes()).bytes(8, &tensor.0).bytes(9, &metadata.0)
}

/// The values of a step.
#[derive(Default)]
pub(super) struct Values(Message);

impl Values {
    pub(super) fn scalar(&mut self, tag: &str, value: f64) {
        let tagged = Message(Vec::with_capacity(tag.len() + 16)).bytes(1, tag.as_bytes());
        self.add(&tagged.float(2, value as f32));
    }

    /// A text, in Markdown.
    pub(super) fn text(&mut self, tag: &str, text: &str) {
        self.add(&of_plugin(tag, "text", text.as_bytes()));
    }

    /// The histogram of a distribution. Its sums and the ends of its range are computed from the
    /// middles and the ends of its bins. None for an empty distribution.
    pub(super) fn histogram(&mut self, tag: &str, of: &Distribution) {
        let Some((&(first, _), &(last, _))) = of.counts.first().zip(of.counts.last()) else {
            return;
        };
        let edge = |k: i64| k as f64 * of.bin;
        let mut sums = [0.0; 3];
        let (mut limits, mut counts) = (Vec::new(), Vec::new());
        let mut end = first;
        for &(k, neurons) in &of.counts {
            // A bucket starts at the end of the one before it: an empty bucket represents a gap.
            if k > end {
                limits.push(edge(k));
                counts.push(0.0);
            }
            end = k + 1;
            limits.push(edge(end));
            counts.push(neurons as f64);
            let (n, middle) = (neurons as f64, (k as f64 + 0.5) * of.bin);
            for (sum, term) in sums.iter_mut().zip([1.0, middle, middle * middle]) {
                *sum += n * term;
            }
        }
        let histogram = Message::default()
            .double(1, edge(first))
            .double(2, edge(last + 1))
            .double(3, sums[0])
            .double(4, sums[1])
            .double(5, sums[2])
            .doubles(6, &limits)
            .doubles(7, &counts);
        let value = Message::default().bytes(1, tag.as_bytes()).bytes(5, &histogram.0);
        self.add(&value);
    }

    fn add(&mut self, value: &Message) {
        self.0 = std::mem::take(&mut self.0).bytes(1, &value.0);
    }

    /// The event that holds them; none when there are none.
    pub(super) fn event(self, wall_time: f64, step: u64) -> Option<Vec<u8>> {
        let Self(summary) = self;
        let event = Message(Vec::with_capacity(summary.0.len() + 32));
        let event = event.double(1, wall_time).integer(2, step);
        (!summary.0.is_empty()).then(|| event.bytes(5, &summary.0).0)
    }
}
