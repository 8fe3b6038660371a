using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Containers;
using Xunit;

namespace Mocktenant.Example;

/// <summary>The service, which the tests of a class share.</summary>
public sealed class MocktenantFixture : IAsyncLifetime
{
    private const string AdminKey = "a-key-for-these-tests-alone";

    private readonly IContainer container =
        new ContainerBuilder(Environment.GetEnvironmentVariable("MOCKTENANT_IMAGE") ?? "mocktenant:dev-standalone")
            .WithPortBinding(8080, true)
            .WithPortBinding(8443, true)
            .WithPortBinding(8081, true)
            .WithEnvironment("MOCKTENANT_ADMIN_KEY", AdminKey)
            .WithWaitStrategy(Wait.ForUnixContainer().UntilHttpRequestIsSucceeded(request => request.ForPort(8080).ForPath("/readyz")))
            .Build();

    private X509Certificate2 authority = null!;

    public async Task InitializeAsync()
    {
        await container.StartAsync();
        using var client = new HttpClient { BaseAddress = At("http", 8080) };
        authority = X509Certificate2.CreateFromPem(await client.GetStringAsync("/.well-known/mocktenant/ca.pem"));
    }

    public Task DisposeAsync() => container.DisposeAsync().AsTask();

    /// <summary>Makes a tenant with a user, an application and a token, and returns a client that shows the token.</summary>
    public async Task<HttpClient> NewTenantAsync(string displayName)
    {
        using var admin = new HttpClient { BaseAddress = At("http", 8081) };
        admin.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        using var response = await admin.PostAsJsonAsync("/v1/tenants", new { displayName });
        response.EnsureSuccessStatusCode();
        var made = await response.Content.ReadFromJsonAsync<JsonElement>();
        var token = made.GetProperty("credentials").GetProperty("accessToken").GetString();

        // Microsoft's clients insist on HTTPS: trust the container's authority.
        var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { authority },
            RevocationMode = X509RevocationMode.NoCheck,
        };
        var client = new HttpClient(handler) { BaseAddress = At("https", 8443) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private Uri At(string scheme, ushort port) =>
        new UriBuilder(scheme, container.Hostname, container.GetMappedPublicPort(port)).Uri;
}

public sealed class PartnersTest(MocktenantFixture mocktenant) : IClassFixture<MocktenantFixture>
{
    [Fact]
    public async Task APartnerIsCreated()
    {
        using var client = await mocktenant.NewTenantAsync(nameof(APartnerIsCreated));

        using var response = await client.PostAsJsonAsync("/v1.0/deviceManagement/remoteAssistancePartners", new { displayName = "TeamViewer" });

        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var partner = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("TeamViewer", partner.GetProperty("displayName").GetString());
    }
}
