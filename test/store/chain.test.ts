import { describe, expect, it } from "vitest";
import { chainIds, type DiffId } from "#store/index.js";

describe("chain IDs", () => {
  it("of the nginx image of seven layers", () => {
    const diffIds = [
      "92770f546e065c4942829b1f0d7d1f02c2eb1e6acf0d1bc08ef0bf6be4972839",
      "8ae474e0cc8f5a81405b04143604f78bfac4756c523e276a36921a8c4da36567",
      "f5525891d9e9b43a95b4aa1f79405087922489eb300864a2683262aae0fa5b3a",
      "66283570f41bca3619443d121a79e810b8a72849b5329319993e538d563b3e2f",
      "c2d3ab485d1b375fdd309458d69d93f8eb9aba8472e928efa32d9e5eda631440",
      "cddc309885a283a35ef142af78bc6f2e9c9db10e1981c4ea9cfb2c00b83e68ff",
      "0d0e9c83b6f775d68c7517aabf39ec9123ffca29672e3c3f83c5af7fc6aa242b",
    ].map((hex) => `sha256:${hex}` as DiffId);
    expect(chainIds(diffIds)).toEqual(
      [
        "92770f546e065c4942829b1f0d7d1f02c2eb1e6acf0d1bc08ef0bf6be4972839",
        "2c235ef4cca1fbb74e3a7aa47e654fe943bc0c2becbdd4d6af7cbf9e375fe08a",
        "253c039db964b57be02d9bb0f3d6916b7948687b4f6f4fc681644a419a47979d",
        "8713bfa322a66040e882b7822dc0c110a68cfafd3bb37332fdbb9426171d7ec9",
        "32cfe66e62a5f36abf128703007285e1a3b9078f5b33a367df1534399065cc70",
        "c0f3f17b019abbcfeb0c162054786ea8087ca792a2191a79f03040a8cd98f41d",
        "fe7723b2df19ccf75328cb1f39c90c2332679144231501f3d4d00f51b16c2867",
      ].map((hex) => `sha256:${hex}`),
    );
  });
});
