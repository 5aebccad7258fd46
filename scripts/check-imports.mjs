// Fails when a folder imports against the direction of docs/architecture.md: a folder may import only from those to its left.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

const ORDER = ['engine', 'rules', 'policies', 'sensors', 'alerts', 'agent', 'cli'];
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)|(?:^|\n)\s*import\s+['"](\.[^'"]+)['"]/g;

const findings = [];
let files = 0;
for (const folder of ORDER) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    files++;
    const path = relative('.', join(entry.parentPath, entry.name));
    const text = readFileSync(path, 'utf8');
    for (const match of text.matchAll(IMPORT)) {
      const target = normalize(join(dirname(path), match[1] ?? match[2] ?? match[3]));
      const line = text.slice(0, match.index + match[0].length).split('\n').length;
      const top = target.split('/')[0];
      if (top === folder) continue;
      if (!ORDER.includes(top))
        findings.push(`${path}:${line}: imports ${target}, which is outside the layered folders`);
      else if (ORDER.indexOf(top) > ORDER.indexOf(folder))
        findings.push(`${path}:${line}: ${folder} may not import ${target}; the direction is ${ORDER.join(' <- ')}`);
      else if (!target.endsWith('/index.ts') && target !== 'sensors/kernel.ts')
        findings.push(`${path}:${line}: imports ${target} past its folder's index.ts`);
    }
  }
}
for (const finding of findings) console.error(finding);
if (findings.length > 0) process.exit(1);
console.log(`import direction: ${files} files, ${ORDER.join(' <- ')}`);
