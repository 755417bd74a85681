"""Ask one question on Azure OpenAI: the address is the resource's, the model is the deployment's name.

    AZURE_OPENAI_ENDPOINT=https://NAME.openai.azure.com AZURE_OPENAI_API_KEY=... \\
    AZURE_OPENAI_DEPLOYMENT=gpt-realtime python azure.py
"""

import os

import realtime


async def main():
    client = realtime.RealtimeClient(
        # The client adds /realtime. An address of the older preview works too; pass the whole of it.
        url=os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/") + "/openai/v1",
        api_key=os.environ["AZURE_OPENAI_API_KEY"],
        model=os.environ["AZURE_OPENAI_DEPLOYMENT"],
        modalities=["text"],
    )
    async with client:
        print(await client.ask("Say hello."))


realtime.run(main())
