/** `tpull layers IMAGE` and `tpull layers --tree [IMAGE]` */
import { TpullError } from "../../../store/errors.js";
import type { Damage } from "../../../store/survey/damage.js";
import { openStore } from "../../../store/store.js";
import { imageLayers } from "../../../store/survey/image-layers.js";
import { layerTree } from "../../../store/survey/layer-tree.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { USAGE } from "../args.js";
import { shownJson } from "../terminal-text.js";
import { layerBlocks } from "./layer-blocks.js";
import { layerTable } from "./layer-table.js";
import { layerTreeText } from "./layer-tree-text.js";
import { lookOf } from "./look.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerLayers: Answer = async (context) => {
  const { images, flags, output, isTTY } = context;
  const [image] = images;
  const store = await openStore(context.root());
  const look = lookOf(context);
  let damage: readonly Damage[];
  if (flags.tree) {
    const tree = await layerTree(store, image);
    output.out(
      flags.json
        ? shownJson(jsonDocument(tree), isTTY)
        : layerTreeText(tree, look),
    );
    ({ damage } = tree);
  } else {
    if (image === undefined) {
      throw new TpullError(USAGE, "'tpull layers' needs an image, or --tree");
    }
    const layers = await imageLayers(store, image);
    output.out(
      flags.json
        ? shownJson(jsonDocument(layers), isTTY)
        : // On a terminal that is too narrow lines would break anywhere.
          (layerTable(layers, look) ?? layerBlocks(layers, look)),
    );
    ({ damage } = layers);
  }
  tellDamage(output, damage);
  tellHolder(output, store.layout);
  return 0;
};
