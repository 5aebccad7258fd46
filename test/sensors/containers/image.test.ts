import { expect, it } from 'vitest';
import { type ImageFacts, imageOf } from '../../../sensors/index.ts';

const DIGEST = `sha256:${'d'.repeat(64)}`;

it.each<[string, Omit<ImageFacts, 'name'>]>([
  ['nginx', { repository: 'nginx' }],
  ['nginx:1.25', { repository: 'nginx', tag: '1.25' }],
  ['docker.io/library/nginx:1.25', { repository: 'docker.io/library/nginx', tag: '1.25' }],
  ['registry:5000/nginx', { repository: 'registry:5000/nginx' }],
  ['registry:5000/group/nginx:latest', { repository: 'registry:5000/group/nginx', tag: 'latest' }],
  [`nginx@${DIGEST}`, { repository: 'nginx', digest: DIGEST }],
  [`registry:5000/nginx:1@${DIGEST}`, { repository: 'registry:5000/nginx', tag: '1', digest: DIGEST }],
  ['nginx@sha256:none', { repository: 'nginx' }],
])('%s', (name, parts) => {
  expect(imageOf(name)).toEqual({ name, ...parts });
});

it('takes the digest from elsewhere where the name has none', () => {
  expect(imageOf('nginx', DIGEST)).toEqual({ name: 'nginx', repository: 'nginx', digest: DIGEST });
  expect(imageOf('nginx', null)).toEqual({ name: 'nginx', repository: 'nginx', digest: null });
  expect(imageOf(`nginx@${DIGEST}`, null).digest).toBe(DIGEST);
});
