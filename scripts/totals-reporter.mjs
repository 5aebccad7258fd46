// A vitest reporter that writes {passed, failed, skipped, failures} to the file named by SHRIKE_TOTALS; failures are the names of
// what failed. With CI set, a skipped test that scripts/allowed-skips.json does not name counts as failed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ALLOWED = join(dirname(fileURLToPath(import.meta.url)), 'allowed-skips.json');

/** Entries `{test, reason}`: `test` is `file > full name` or how it begins; `reason` how the skip's own note begins. */
const allowedSkips = () => JSON.parse(readFileSync(ALLOWED, 'utf8'));

const isAllowed = (allowed, name, note) =>
  allowed.some((entry) => name.startsWith(entry.test) && note.startsWith(entry.reason));

// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by its default export
export default class TotalsReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const totals = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const failures = unhandledErrors.map((error) => `unhandled error: ${error.message}`);
    const refused = [];
    const allowed = process.env.CI ? allowedSkips() : undefined;
    for (const module of modules) {
      const broken =
        (module.errors().length > 0 ? 1 : 0) +
        [...module.children.allSuites()].flatMap((suite) => suite.errors()).length;
      totals.failed += broken;
      if (broken > 0) failures.push(module.relativeModuleId);
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') totals.passed++;
        else if (result.state === 'failed') {
          totals.failed++;
          failures.push(`${module.relativeModuleId} > ${test.fullName}`);
        } else {
          const name = `${module.relativeModuleId} > ${test.fullName}`;
          const note = result.note ?? '';
          if (allowed !== undefined && !isAllowed(allowed, name, note))
            refused.push(note === '' ? name : `${name}: ${note}`);
          else totals.skipped++;
        }
      }
    }
    totals.failed += refused.length;
    failures.push(...refused.map((line) => `not to be skipped: ${line}`));
    if (refused.length > 0) {
      console.error('With CI set these tests may not be skipped (scripts/allowed-skips.json lists those that may):');
      for (const line of refused) console.error(`  ${line}`);
    }
    if (totals.failed > 0) process.exitCode = 1;
    const file = process.env.SHRIKE_TOTALS;
    if (file === undefined) return;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ ...totals, failures }));
  }
}
