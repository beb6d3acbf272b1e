/** `tpull layers IMAGE` and `tpull layers --tree [IMAGE]` */
import { imageLayers, layerTree, openStore } from "../../../store/index.js";
import { TpullError } from "../../../store/errors.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { USAGE } from "../args.js";
import { layerBlocks } from "./layer-blocks.js";
import { layerTable } from "./layer-table.js";
import { layerTreeText } from "./layer-tree-text.js";
import { lookOf } from "./look.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerLayers: Answer = async (context) => {
  const { images, flags, root, output } = context;
  const [image] = images;
  const store = await openStore(root());
  if (flags.tree) {
    const tree = await layerTree(store, image);
    output.out(
      flags.json ? jsonDocument(tree) : layerTreeText(tree, lookOf(context)),
    );
    tellDamage(output, tree.damage);
  } else {
    if (image === undefined) {
      throw new TpullError(USAGE, "'tpull layers' needs an image, or --tree");
    }
    const layers = await imageLayers(store, image);
    const look = lookOf(context);
    if (flags.json) output.out(jsonDocument(layers));
    else {
      // On a terminal that is too narrow lines would break anywhere.
      output.out(layerTable(layers, look) ?? layerBlocks(layers, look));
    }
    tellDamage(output, layers.damage);
  }
  tellHolder(output, store.layout);
  return 0;
};
