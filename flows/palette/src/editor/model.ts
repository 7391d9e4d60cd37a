import { gatewayId, input } from './dialog.ts';
import { query } from './query.ts';

interface Spec {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

interface Metadata {
  readonly versions: readonly string[];
  readonly inputs: readonly Spec[];
  readonly outputs: readonly Spec[];
  readonly parameters?: { readonly max_batch_size?: number; readonly sequence?: boolean };
}

/** Words of the dialog in the language of the editor. */
export type Words = (key: 'inputs' | 'outputs' | 'versions' | 'batch' | 'sequence') => string;

function row(table: HTMLTableElement, head: string, text: string): void {
  const line = table.insertRow();
  const cell = document.createElement('th');
  cell.scope = 'row';
  cell.textContent = head;
  cell.style.cssText = 'text-align: left; vertical-align: top; padding-right: 12px; white-space: nowrap';
  line.append(cell);
  line.insertCell().textContent = text;
}

const words = ({ name, datatype, shape }: Spec): string =>
  `${name}: ${datatype} [${shape.map((size) => (size < 0 ? '∗' : size)).join(', ')}]`;

function show(place: HTMLElement, metadata: Metadata, label: Words): void {
  const table = document.createElement('table');
  table.className = 'aimx-model';
  row(table, label('inputs'), metadata.inputs.map(words).join('; '));
  row(table, label('outputs'), metadata.outputs.map(words).join('; '));
  row(table, label('versions'), metadata.versions.join(', '));
  row(table, label('batch'), String(metadata.parameters?.max_batch_size ?? 1));
  if (metadata.parameters?.sequence) row(table, label('sequence'), '✓');
  place.replaceChildren(table);
}

/** Shows what the chosen model takes and gives, in the element `#<place>`. */
export function describeModel(place: string, label: Words): void {
  const field = input('model');
  const element = document.querySelector<HTMLElement>(`#${place}`);
  if (!field || !element) return;
  const update = (): void => {
    const model = field.value;
    element.replaceChildren();
    if (model === '') return;
    query(gatewayId(), 'model', model).then(
      (answer) => {
        if (field.value === model) show(element, answer as Metadata, label);
      },
      (error: Error) => {
        element.textContent = error.message;
      },
    );
  };
  field.addEventListener('change', update);
  input('gateway')?.addEventListener('change', update);
  update();
}
