// A vitest reporter that writes {passed, failed, skipped} to the file named by SHRIKE_TOTALS. With CI set, a skipped test
// that scripts/allowed-skips.json does not name counts as failed.
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
    const refused = [];
    const allowed = process.env.CI ? allowedSkips() : undefined;
    for (const module of modules) {
      if (module.errors().length > 0) totals.failed++;
      for (const suite of module.children.allSuites()) totals.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') totals.passed++;
        else if (result.state === 'failed') totals.failed++;
        else {
          const name = `${module.relativeModuleId} > ${test.fullName}`;
          const note = result.note ?? '';
          if (allowed !== undefined && !isAllowed(allowed, name, note))
            refused.push(note === '' ? name : `${name}: ${note}`);
          else totals.skipped++;
        }
      }
    }
    totals.failed += refused.length;
    if (refused.length > 0) {
      console.error('With CI set these tests may not be skipped (scripts/allowed-skips.json lists those that may):');
      for (const line of refused) console.error(`  ${line}`);
    }
    if (totals.failed > 0) process.exitCode = 1;
    const file = process.env.SHRIKE_TOTALS;
    if (file === undefined) return;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(totals));
  }
}
