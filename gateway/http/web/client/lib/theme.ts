import { persisted } from './store.ts';

export type Theme = 'auto' | 'light' | 'dark';
export const theme = persisted<Theme>('aimx-theme', 'auto', (text): text is Theme =>
  ['auto', 'light', 'dark'].includes(text),
);

const dark = matchMedia('(prefers-color-scheme: dark)');

/** Puts the chosen theme on the document and calls back when the colours change, also by the system. */
export function applyTheme(changed: () => void): void {
  const apply = (): void => {
    const { dataset } = document.documentElement;
    if (theme.value === 'auto') delete dataset.theme;
    else dataset.theme = theme.value;
    changed();
  };
  theme.watch(apply);
  dark.addEventListener('change', apply);
  apply();
}

/** A colour of the style sheet as canvases need it. */
export function colour(name: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
