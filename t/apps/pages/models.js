// The models of docs/frameworks/express.md: one report.
const reports = { 7: { owner: 'alice', title: 'Q3 report', path: '2026/q3.pdf' } };

exports.findReport = async (number) => reports[number];
